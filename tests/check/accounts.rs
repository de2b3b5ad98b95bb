//! `numbers` and `token`: what an account has, and what a token may do; and `check` of a resource with accounts.

use graph_emulator::{Expiry, FOREIGN_PUBLIC_KEY, Fault, GraphError, Inspection, ListSettings, NumberSettings, Token};
use harness::TOKEN;
use harness::process::Printed;
use serde_json::{Value, json};
use waflows_core::api::crd::FlowsEncryptionKey;

use crate::process::run;
use crate::scene::{NUMBERS, Scene, resource_with};

const ACCOUNT: &str = "102290129340398";

impl Scene {
    /// Runs a command with the token in a file.
    fn with_token(&self, arguments: &[&str]) -> Printed {
        self.write_text("token.txt", TOKEN);
        let file = self.path("token.txt");
        let (command, rest) = arguments.split_first().unwrap();
        let graph = ["--token-file", &file, "--graph-url", self.emulator.base_url(), "--allow-http-graph-url"];
        let printed = run(&[&[*command], &graph[..], rest].concat(), b"");
        assert!(!printed.stdout.contains(TOKEN) && !printed.stderr.contains(TOKEN), "{printed:?}");
        assert_eq!(self.emulator.counters().tokens_in_urls, 0);
        printed
    }

    fn numbers(&self, flags: &[&str]) -> Printed {
        self.with_token(&[&["numbers", "--business-account", ACCOUNT], flags].concat())
    }

    fn token(&self, worth: Token) -> Printed {
        self.emulator.set_token(TOKEN, worth);
        self.with_token(&["token"])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn each_number_of_an_account_has_a_row_that_says_what_it_holds() {
    let scene = Scene::new().await;
    scene.holds_our_key(NUMBERS[0], "VALID");
    scene.emulator.take_off(NUMBERS[2]).unwrap();
    let printed = scene.numbers(&[]);
    let rows: Vec<Vec<&str>> = printed.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows.len(), 4, "{}", printed.stdout);
    assert_eq!(rows[1][..5], [NUMBERS[0], "+106540352242922", "Storefront", "yes", "VALID"]);
    assert!(rows[1][5].starts_with("sha256:"));
    assert_eq!(rows[2][3..], ["yes", "none", "-"]);
    assert_eq!(rows[3][3..], ["no", "(DISCONNECTED)", "-", "-"]);
    assert_eq!((printed.code, printed.stderr.as_str()), (0, ""));
    assert_eq!(scene.emulator.counters().calls.uploads, 0);

    let report = scene.numbers(&["-o", "json"]).json();
    assert_eq!(report["businessAccountId"], ACCOUNT);
    assert_eq!(
        (&report["phoneNumbers"][0]["signatureStatus"], &report["phoneNumbers"][2]["connected"]),
        (&json!("VALID"), &json!(false))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_manifest_is_one_that_check_accepts() {
    let scene = Scene::with_secrets().await;
    scene.write_text("numbers.yaml", &scene.numbers(&["-o", "manifest"]).stdout);
    let text = std::fs::read_to_string(scene.path("numbers.yaml")).unwrap();
    assert!(NUMBERS.iter().all(|id| text.contains(id)), "{text}");
    let resource: FlowsEncryptionKey = serde_saphyr::from_str(&text).unwrap();
    assert_eq!(resource.spec.business_accounts[0].id, ACCOUNT);
    let (code, report) = scene.report(&["numbers.yaml"], &["--offline", "--allow-missing-secrets"]);
    assert_eq!((code, &report["problems"]), (0, &json!([])), "{report:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_id_or_permission_is_explained() {
    let scene = Scene::new().await;
    scene.write_text("token.txt", TOKEN);
    let printed = scene.with_token(&["numbers", "--business-account", NUMBERS[0]]);
    assert!(printed.stdout.contains("this is the ID of a phone number"), "{}", printed.stdout);
    assert_eq!(printed.code, 1);
    scene.emulator.set_token(TOKEN, Token { whatsapp_business_management: false, ..Token::default() });
    let printed = scene.numbers(&[]);
    assert!(printed.stdout.contains("whatsapp_business_management") && printed.code == 1, "{}", printed.stdout);
    scene.emulator.inject(Fault::error(GraphError::new(500, 1, "An unknown error occurred")).lists());
    scene.emulator.add_token(TOKEN);
    let printed = scene.numbers(&[]);
    assert!(printed.stderr.contains("could not be listed") && printed.code == 2, "{}", printed.stderr);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_says_what_it_may_do_and_until_when() {
    let scene = Scene::new().await;
    let printed = scene.token(Token::default());
    assert_eq!(
        (printed.code, printed.stdout.as_str()),
        (
            0,
            "\
token    valid
app      1234567890
expires  never
may      whatsapp_business_management
may      whatsapp_business_messaging
may      public_profile
to do    Nothing.
"
        )
    );
    let printed = scene.token(Token { whatsapp_business_messaging: false, ..Token::default() });
    assert!(printed.stdout.contains("lacks    whatsapp_business_messaging: no key can be read or set"));
    assert_eq!(printed.code, 1);
    let in_six_days = jiff::Timestamp::now().as_second() + 6 * 86_400 + 60;
    let inspection = Inspection { expires_at: Expiry::At(in_six_days), ..Inspection::default() };
    let printed = scene.token(Token { inspection, ..Token::default() });
    assert!(printed.stdout.contains("(in 6 days)") && printed.stdout.contains("Put a new token"), "{}", printed.stdout);
    assert_eq!(printed.code, 1);
    let printed = scene.token(Token { expired: true, ..Token::default() });
    assert!(printed.stdout.contains("not valid") && printed.code == 1, "{}", printed.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_may_not_ask_needs_its_app() {
    let scene = Scene::new().await;
    let inspection = Inspection { allows_itself: false, ..Inspection::default() };
    let printed = scene.token(Token { inspection, ..Token::default() });
    assert!(printed.stderr.contains("give --app-id and --app-secret-file") && printed.code == 2, "{}", printed.stderr);
    scene.emulator.set_app("1234567890", "0123456789abcdef");
    scene.write_text("secret.txt", "0123456789abcdef");
    let secret = scene.path("secret.txt");
    let printed = scene.with_token(&["token", "--app-id", "1234567890", "--app-secret-file", &secret, "-o", "json"]);
    assert_eq!((printed.code, &printed.json()["valid"]), (0, &json!(true)));

    // The token is good. Nobody is to make a new one.
    scene.write_text("secret.txt", "fedcba9876543210");
    let printed = scene.with_token(&["token", "--app-id", "1234567890", "--app-secret-file", &secret]);
    assert!(printed.stderr.contains("Meta refuses the app, so nothing is known of the token"), "{}", printed.stderr);
    assert_eq!(printed.code, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn check_looks_at_the_numbers_of_an_account() {
    let scene = Scene::with_secrets().await;
    let account = json!({"phoneNumberIds": null, "businessAccounts": [{"id": ACCOUNT}]});
    scene.write("storefront.yaml", &[resource_with(&[], account)]);
    scene.holds_our_key(NUMBERS[0], "VALID");
    let foreign = NumberSettings { public_key: Some(FOREIGN_PUBLIC_KEY.into()), ..NumberSettings::default() };
    scene.emulator.set_number(NUMBERS[1], foreign);
    let (code, report) = scene.report(&["storefront.yaml", "secrets.yaml"], &[]);
    let numbers = report["resources"][0]["phoneNumbers"].as_array().unwrap();
    let facts = |number: &Value| {
        ["state", "action", "reason"].map(|field| number[field].as_str().unwrap_or_default().to_owned())
    };
    assert_eq!(facts(&numbers[0]), ["Valid", "None", ""]);
    assert_eq!(facts(&numbers[1]), ["Foreign", "None", "NumberNotAdopted"]);
    assert_eq!(facts(&numbers[2]), ["Missing", "Upload", "KeyMissing"]);
    assert_eq!(code, 1, "a person must consent");
    // If the list fails, `check` reports the failure, and says nothing about the numbers.
    scene.emulator.set_list(ACCOUNT, ListSettings::default());
    scene.emulator.set_token(TOKEN, Token { whatsapp_business_management: false, ..Token::default() });
    let printed = scene.check(&["storefront.yaml", "secrets.yaml"], &[]);
    assert!(printed.stdout.contains("whatsapp_business_management") && printed.code == 1, "{}", printed.stdout);
}
