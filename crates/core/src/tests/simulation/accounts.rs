//! Random histories of one resource with two accounts: numbers are added and removed, connected and taken off, keyed by
//! others, listed by hand and excluded; lists fail, miss a number, or have one twice; reconciles are lost.

use std::collections::{BTreeMap, BTreeSet};

use fastrand::Rng;

use super::super::meta::{Line, Meta, Model};
use super::super::*;
use crate::api::crd::{AccountState, Adopt, BusinessAccount, Rotation};
use crate::api::members;
use crate::discovery::listing::{ListedNumber, Listing};

const ACCOUNTS: [&str; 2] = ["501", "502"];
const IDS: [&str; 6] = ["1", "2", "3", "4", "5", "6"];
const FOREIGN: usize = 9;
const HISTORIES: u64 = 700;
const STEPS: usize = 40;

/// Meta with accounts, and what is wrong with their lists.
struct Accounts {
    model: Model,
    /// The numbers of each account, and whether each is connected.
    numbers: BTreeMap<&'static str, BTreeMap<&'static str, bool>>,
    fails: bool,
    misses: Option<&'static str>,
    lists: usize,
    /// How many complete lists of the account in a row did not have the number.
    without: BTreeMap<(String, &'static str), usize>,
}

impl Meta for Accounts {
    fn read(&mut self, id: &str, now: Timestamp) -> (Reading, Option<GraphError>) {
        self.model.read(id, now)
    }

    fn upload(&mut self, id: &str, key: &PublicKey, now: Timestamp) -> (UploadAnswer, Option<GraphError>) {
        self.model.upload(id, key, now)
    }

    fn list(&mut self, account: &str, now: Timestamp) -> (Listing, Option<GraphError>) {
        self.lists += 1;
        if self.fails {
            return (Listing::Failed { error: error(ErrorClass::Transient), at: now }, None);
        }
        let of_account = &self.numbers[account];
        let shown = of_account.iter().filter(|(id, _)| self.misses != Some(**id));
        let numbers: Vec<_> = shown.clone().chain(shown.clone().take(1)).map(|(id, is)| listed(id, *is)).collect();
        for id in IDS {
            let count = self.without.entry((account.to_owned(), id)).or_default();
            *count = if shown.clone().any(|(shown, _)| *shown == id) { 0 } else { *count + 1 };
        }
        (Listing::Answered { reported: numbers, at: now }, None)
    }
}

fn listed(id: &str, is_connected: bool) -> ListedNumber {
    let status = if is_connected { "CONNECTED" } else { "DISCONNECTED" };
    ListedNumber {
        id: id.to_owned(),
        display_phone_number: None,
        verified_name: None,
        status: Some(status.to_owned()),
        host_platform: None,
    }
}

struct History {
    random: Rng,
    stage: Stage,
    meta: Accounts,
}

impl History {
    fn new(seed: u64) -> Self {
        let account = |id: &str| BusinessAccount { id: id.to_owned(), ..BusinessAccount::default() };
        let mut stage = Stage::new(&[]);
        stage.resource.spec.business_accounts = ACCOUNTS.map(account).into();
        let numbers = ACCOUNTS.map(|account| (account, BTreeMap::new())).into();
        let (model, without) = (Model::new(&IDS), BTreeMap::new());
        let meta = Accounts { model, numbers, fails: false, misses: None, lists: 0, without };
        Self { random: Rng::with_seed(seed), stage, meta }
    }

    fn step(&mut self) {
        let id = IDS[self.random.usize(..IDS.len())];
        let account = ACCOUNTS[self.random.usize(..2)];
        match self.random.u32(0..14) {
            0 | 1 => {
                self.meta.numbers.values_mut().for_each(|numbers| {
                    numbers.remove(id);
                });
                self.meta.numbers.get_mut(account).unwrap().insert(id, true);
            }
            2 => {
                self.meta.numbers.get_mut(account).unwrap().remove(id);
            }
            3 => self.meta.numbers.values_mut().flat_map(|n| n.get_mut(id)).for_each(|connected| *connected ^= true),
            4 => self.meta.model.line(id).set(Some(FOREIGN), Some("VALID")),
            5 => self.meta.model.line(id).set(Some(FOREIGN), Some("MISMATCH")),
            6 => self.meta.fails ^= true,
            7 => self.meta.misses = self.random.bool().then_some(id),
            8 => self.edit(id, account),
            9 => self.stage.set_key(Ok(key(1 + self.random.usize(..3)))),
            10 => {
                let value = self.random.u64(..).to_string();
                self.stage.request_sync(&value);
            }
            _ => self.stage.now += [MINUTE, HOUR, 3 * HOUR][self.random.usize(..3)],
        }
        let is_lost = self.random.u8(..) < 40;
        self.reconcile(is_lost);
    }

    /// A person edits the spec.
    fn edit(&mut self, id: &str, account: &str) {
        let choice = self.random.u32(0..4);
        self.stage.edit(|spec| {
            let of_account = spec.business_accounts.iter_mut().find(|known| known.id == account).unwrap();
            let list = if choice == 0 { &mut spec.phone_number_ids } else { &mut of_account.exclude_phone_number_ids };
            match (choice, list.iter().position(|known| known == id)) {
                (0 | 1, Some(position)) => drop(list.remove(position)),
                (0 | 1, None) => list.push(id.to_owned()),
                (2, _) => of_account.adopt = Some(Adopt::All),
                _ => of_account.adopt = None,
            }
        });
    }

    /// A reconcile, if one is due. If it is lost, the process ends before the final status is stored.
    fn reconcile(&mut self, is_lost: bool) {
        let Schedule::Now(work) = self.stage.due() else { return };
        let before = self.stage.clone();
        let lines = self.meta.model.lines.clone();
        let mut reconcile = self.stage.read(work, &mut self.meta);
        for upload in &reconcile.plan().uploads {
            let number = reconcile.observation().number(&upload.phone_number_id).expect("a number of the resource");
            self.check_upload(&number.before, &lines);
        }
        if is_lost {
            self.stage.upload(&mut reconcile, &mut self.meta);
        } else {
            self.stage.finish(reconcile, &mut self.meta);
        }
        self.check_departures(&before);
    }

    /// Only numbers of the resource, and no valid key of somebody else without consent.
    fn check_upload(&self, number: &PhoneNumberStatus, lines: &BTreeMap<String, Line>) {
        let (spec, id) = (&self.stage.resource.spec, &number.phone_number_id);
        if spec.phone_number_ids.contains(id) {
            return;
        }
        let account = members::account_of(spec, number).expect("a number of an account of the spec");
        assert!(members::may_join(account, id), "{id} is excluded");
        let line = &lines[id];
        let is_foreign = line.key == Some(FOREIGN) && line.status.as_deref() == Some("VALID");
        assert!(!is_foreign || account.adopt == Some(Adopt::All), "a valid key of somebody else is replaced: {id}");
    }

    /// A number leaves only because the spec says so, or after two complete lists without it.
    fn check_departures(&self, before: &Stage) {
        let ids = |stage: &Stage| -> BTreeSet<String> {
            members::phone_number_ids(&stage.resource).into_iter().cloned().collect()
        };
        for id in ids(before).difference(&ids(&self.stage)) {
            let account = before.number(id).business_account_id.clone().unwrap_or_default();
            let lists = self.meta.without.iter().filter(|((of, number), _)| *of == account && *number == id.as_str());
            let without = lists.map(|(_, count)| *count).max().unwrap_or_default();
            assert!(without >= 2, "{id} left after {without} lists of its account without it");
        }
    }

    /// Nothing is at fault any more. Within two intervals each connected number is as it must be.
    fn come_to_rest(&mut self) {
        (self.meta.fails, self.meta.misses) = (false, None);
        self.stage.request_sync("at the end");
        let end = self.stage.now + 4 * HOUR;
        let lists = self.meta.lists;
        while let Some(next) = self.stage.next().filter(|next| *next <= end) {
            self.stage.now = next.max(self.stage.now);
            self.reconcile(false);
        }
        // At once, and at each check of the following four hours.
        assert!(self.meta.lists - lists <= 5 * ACCOUNTS.len(), "{} lists", self.meta.lists - lists);
        let spec = self.stage.resource.spec.clone();
        let mut expected: BTreeSet<String> = spec.phone_number_ids.iter().cloned().collect();
        for account in &spec.business_accounts {
            let of_account = self.meta.numbers[account.id.as_str()].keys().map(ToString::to_string);
            expected.extend(of_account.filter(|id| !account.exclude_phone_number_ids.contains(id)));
        }
        let status = self.stage.status();
        let known: BTreeSet<String> =
            status.phone_numbers.iter().map(|number| number.phone_number_id.clone()).collect();
        assert_eq!(known, expected);
        for number in &status.phone_numbers {
            self.check_rest_of(&spec, number);
        }
        assert!(status.business_accounts.iter().all(|account| account.state == AccountState::Listed));
    }

    fn check_rest_of(&self, spec: &FlowsEncryptionKeySpec, number: &PhoneNumberStatus) {
        let id = number.phone_number_id.as_str();
        let is_connected = self.meta.numbers.values().find_map(|numbers| numbers.get(id)).is_none_or(|is| *is);
        let line = &self.meta.model.lines[id];
        let key = line.key.map(fingerprint_text);
        match number.state {
            NumberState::Valid => assert_eq!(key, self.stage.status().public_key_fingerprint),
            NumberState::Unregistered => assert!(!is_connected && !spec.phone_number_ids.iter().any(|it| it == id)),
            NumberState::Contested => {}
            NumberState::Foreign => {
                assert!(line.key == Some(FOREIGN) && members::is_guarded(spec, number), "{number:#?} {line:#?}");
            }
            _ => panic!("not at rest: {number:#?} {line:#?}"),
        }
    }
}

#[test]
fn every_history_of_accounts_ends_well() {
    super::go_through(HISTORIES, |seed| {
        let mut history = History::new(seed);
        (0..STEPS).for_each(|_| history.step());
        history.come_to_rest();
    });
}

#[test]
fn a_key_that_only_a_lost_process_uploaded_is_known_as_ours() {
    let mut history = History::new(0);
    history.meta.numbers.get_mut(ACCOUNTS[0]).unwrap().insert(IDS[0], true);
    history.reconcile(true);
    assert!(history.meta.model.lines[IDS[0]].is_valid(1));
    history.stage.set_key(Ok(key(2)));
    history.reconcile(false);
    assert_eq!(history.stage.number(IDS[0]).state, NumberState::Valid);
}

#[test]
fn a_key_of_somebody_else_that_stays_begins_no_rotation() {
    let mut history = History::new(0);
    history.stage.edit(|spec| spec.rotation = Some(Rotation::default()));
    history.meta.numbers.get_mut(ACCOUNTS[0]).unwrap().extend([(IDS[0], true), (IDS[1], true)]);
    history.meta.model.line(IDS[0]).set(Some(FOREIGN), Some("VALID"));
    history.reconcile(false);
    assert_eq!(history.stage.status().rotation, None);
    let states = [IDS[0], IDS[1]].map(|id| history.stage.number(id).state);
    assert_eq!(states, [NumberState::Foreign, NumberState::Valid]);
    assert_eq!(history.stage.ready(), "NumberNotAdopted");
}
