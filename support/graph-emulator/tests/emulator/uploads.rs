//! What an upload does, at once, late or never.

use std::time::Duration;

use graph_emulator::{FOREIGN_PUBLIC_KEY, Fault, FaultAction, ForeignWriter, Lag, NumberSettings, UploadEffect};

use crate::{FIRST_FINGERPRINT, FIRST_KEY, Graph, NUMBER, OTHER_NUMBER, SECOND_FINGERPRINT, SECOND_KEY, key, until};

impl Graph {
    fn set(&self, change: impl FnOnce(&mut NumberSettings)) {
        self.emulator.update_number(NUMBER, change).unwrap();
    }
}

#[tokio::test]
async fn an_upload_replaces_the_key() {
    let graph = Graph::start().await;
    assert_eq!(graph.key(NUMBER).await, None);
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    graph.upload(NUMBER, SECOND_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(SECOND_KEY, "VALID"));
    assert_eq!(graph.key(OTHER_NUMBER).await, None);

    let number = graph.emulator.number(NUMBER).unwrap();
    assert_eq!(number.fingerprint.as_deref(), Some(SECOND_FINGERPRINT));
    assert_eq!(number.previous_fingerprints, [FIRST_FINGERPRINT.into()]);
    assert_eq!(number.uploads, 2);
    assert_eq!(number.signature_status(), Some("VALID"));
}

#[tokio::test]
async fn an_upload_heals_a_lost_signature() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    graph.emulator.lose_signature(NUMBER).unwrap();
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "MISMATCH"));
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    graph.emulator.drop_key(NUMBER).unwrap();
    assert_eq!(graph.key(NUMBER).await, None);
    graph.emulator.set_foreign_key(NUMBER, FOREIGN_PUBLIC_KEY).unwrap();
    assert_eq!(graph.key(NUMBER).await, key(FOREIGN_PUBLIC_KEY, "VALID"));
    assert!(graph.emulator.lose_signature("1").is_err());
}

#[tokio::test]
async fn reads_lag_behind_for_a_number_of_reads() {
    let graph = Graph::start().await;
    graph.upload(NUMBER, FIRST_KEY).await;
    graph.set(|number| number.lag = Lag::Reads(2));
    graph.upload(NUMBER, SECOND_KEY).await;
    assert_eq!(graph.fingerprint(NUMBER).as_deref(), Some(SECOND_FINGERPRINT));
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    // A second upload in between does not show the first one's key.
    graph.upload(NUMBER, SECOND_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    assert_eq!(graph.key(NUMBER).await, key(SECOND_KEY, "VALID"));
}

#[tokio::test]
async fn reads_lag_behind_for_a_time() {
    let graph = Graph::start().await;
    graph.set(|number| number.lag = Lag::For(Duration::from_secs(3600)));
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, None);
    graph.set(|number| number.lag = Lag::For(Duration::from_millis(50)));
    graph.upload(NUMBER, SECOND_KEY).await;
    while graph.key(NUMBER).await != key(SECOND_KEY, "VALID") {}
}

#[tokio::test]
async fn a_lost_upload_answers_success() {
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::lost_upload().number(NUMBER).times(1));
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, None);
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
    let took_effect: Vec<bool> = graph.emulator.uploads().iter().map(|upload| upload.took_effect).collect();
    assert_eq!(took_effect, [false, true]);
}

#[tokio::test]
async fn an_upload_can_land_without_a_valid_signature() {
    let graph = Graph::start().await;
    graph.emulator.inject(Fault::upload_lands_as("MISMATCH"));
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "MISMATCH"));
}

#[tokio::test]
async fn an_upload_can_land_after_its_caller_left() {
    let graph = Graph::start().await;
    let effect = UploadEffect::LandsAfter(Duration::from_millis(20));
    graph.emulator.inject(Fault::new(FaultAction::ResetBeforeAnswer).uploads().effect(effect));
    assert!(graph.post(NUMBER, FIRST_KEY).send().await.is_err());
    until(|| graph.fingerprint(NUMBER).is_some()).await;
    assert!(graph.emulator.uploads()[0].took_effect);
}

#[tokio::test]
async fn a_foreign_writer_puts_their_key_back() {
    let graph = Graph::start().await;
    graph.set(|number| number.foreign_writer = Some(ForeignWriter::default()));
    graph.upload(NUMBER, FIRST_KEY).await;
    assert_eq!(graph.key(NUMBER).await, key(FOREIGN_PUBLIC_KEY, "VALID"));

    let patient = ForeignWriter { after_reads: 2, ..ForeignWriter::default() };
    graph.set(|number| number.foreign_writer = Some(patient));
    for _ in 0..2 {
        graph.upload(NUMBER, FIRST_KEY).await;
        assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
        assert_eq!(graph.key(NUMBER).await, key(FIRST_KEY, "VALID"));
        assert_eq!(graph.key(NUMBER).await, key(FOREIGN_PUBLIC_KEY, "VALID"));
    }
}
