//! Which events a reconcile publishes.

use super::meta::{Fault, Model};
use super::*;
use crate::api::crd::{AccountState, BusinessAccountStatus};
use crate::status::events::{Note, notes};

fn check(stage: &mut Stage, meta: &mut Model) -> Vec<Note> {
    stage.now += stage.pace();
    stage.reconcile(meta).expect("a check is due").summary.notes
}

#[test]
fn a_check_that_is_overdue_is_reported_and_so_is_its_end() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2"]);
    let last_read = stage.now;
    meta.lines.values_mut().for_each(|line| line.fault = Some(Fault::Down));
    assert_eq!(check(&mut stage, &mut meta), [], "Ready is still True");
    let last_success = stage.status().last_successful_check_time.clone();
    assert_eq!(last_success.map(|time| time.0), Some(last_read), "though Meta was asked since");
    assert!(stage.status().last_check_time.as_ref().is_some_and(|time| time.0 > last_read));

    stage.now += 3 * HOUR;
    let overdue = stage.reconcile(&mut meta).unwrap().summary.notes;
    assert_eq!((overdue.len(), overdue[0].reason, overdue[0].is_warning), (1, "CheckOverdue", true));
    assert!(overdue[0].text.starts_with("Phone number IDs 1, 2:"), "{overdue:?}");
    let since = stage.now;
    meta.lines.values_mut().for_each(|line| line.fault = None);
    let over = check(&mut stage, &mut meta);
    let text = "All 2 numbers hold the key with a valid signature. Ready was Unknown (CheckOverdue)";
    assert_eq!((over.len(), over[0].reason, over[0].is_warning), (1, "AllNumbersValid", false));
    assert_eq!(over[0].text, format!("{text} since {}.", crate::api::text::utc(since)));
    assert_eq!(over[0].gist, text);
    assert_eq!(check(&mut stage, &mut meta), [], "reported once");
}

#[test]
fn a_restored_signature_is_reported_with_the_time_it_was_last_seen() {
    let (mut stage, mut meta) = Stage::settled(&["1", "2", "3"]);
    let last_read = crate::api::text::utc(stage.now);
    for number in ["1", "3"] {
        meta.line(number).set(Some(1), Some("MISMATCH"));
    }
    let notes = check(&mut stage, &mut meta);
    let seen = format!("phone number IDs 1 (last seen valid {last_read}), 3 (last seen valid {last_read}).");
    assert_eq!((notes.len(), notes[0].reason), (1, "SignatureRestored"));
    assert!(notes[0].text.ends_with(&seen), "{notes:?}");
    assert!(notes[0].gist.ends_with("phone number IDs 1, 3."), "{notes:?}");

    // Not healed at once. The status knows since when the signature is gone, and not until when it was there.
    meta.line("2").set(Some(1), Some("MISMATCH"));
    meta.line("2").fault = Some(Fault::UploadLost);
    let lost = check(&mut stage, &mut meta);
    assert_eq!((lost.len(), lost[0].reason), (1, "SignatureLost"));
    let since = crate::api::text::utc(stage.now);
    meta.line("2").fault = None;
    let notes = check(&mut stage, &mut meta);
    assert_eq!(notes.iter().map(|note| note.reason).collect::<Vec<_>>(), ["SignatureRestored", "AllNumbersValid"]);
    assert!(notes[0].text.ends_with(&format!("phone number ID 2 (seen without it since {since}).")), "{notes:?}");
    assert!(notes[1].text.ends_with(&format!("Ready was False (SignatureLost) since {since}.")), "{notes:?}");
}

#[test]
fn a_number_for_which_there_is_no_room_has_not_left_its_account() {
    let in_account = PhoneNumberStatus { business_account_id: Some("7".into()), ..valid_number() };
    let before = FlowsEncryptionKeyStatus { phone_numbers: vec![in_account], ..FlowsEncryptionKeyStatus::default() };
    let reasons = |state| {
        let account = BusinessAccountStatus { id: "7".into(), state, ..BusinessAccountStatus::default() };
        let after =
            FlowsEncryptionKeyStatus { business_accounts: vec![account], ..FlowsEncryptionKeyStatus::default() };
        notes(&before, &after, &[]).iter().map(|note| note.reason).collect::<Vec<_>>()
    };
    assert_eq!(reasons(AccountState::Listed), ["NumbersLeft"]);
    assert_eq!(reasons(AccountState::TooLarge), Vec::<&str>::new());
}
