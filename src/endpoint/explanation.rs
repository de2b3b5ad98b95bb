//! The outcome of a probe in words: the finding, its meaning, and the remedy. docs/endpoint.md has more details.

use std::borrow::Cow;

use waflows_core::endpoint::{Expected, ProbeFinding, ProbeOutcome};
use waflows_key::Fingerprint;

use super::obstacle::Obstacle;

/// The question to the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Question {
    /// Fingerprint of the key. None for a key that nobody has.
    pub key: Option<Fingerprint>,
    /// Whether the request was signed with an app secret.
    pub is_signed: bool,
}

impl Question {
    /// What a correct endpoint does.
    #[must_use]
    pub fn expected(&self) -> Expected {
        if self.key.is_some() { Expected::Proof } else { Expected::Refusal }
    }
}

/// The outcome in three parts. Each part has one or more sentences.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The finding.
    pub found: Cow<'static, str>,
    /// What the finding says about the endpoint.
    pub meaning: Cow<'static, str>,
    /// The remedy.
    pub remedy: Cow<'static, str>,
}

impl Explanation {
    /// Explains the finding for a question.
    #[must_use]
    pub fn of(question: &Question, finding: &ProbeFinding, obstacle: Option<Obstacle>) -> Self {
        let status = finding.http_status.unwrap_or_default();
        match (finding.outcome, &question.key) {
            (ProbeOutcome::TimedOut, _) => timed_out(),
            (ProbeOutcome::Unreachable, _) => unreachable(obstacle.unwrap_or(Obstacle::Broken)),
            (ProbeOutcome::SignatureRefused, _) => signature_refused(status, question.is_signed),
            (ProbeOutcome::BadStatus, _) if (300..400).contains(&status) => redirected(status),
            (ProbeOutcome::BadStatus, _) if matches!(status, 404 | 405) => not_there(status),
            (_, None) => to_unknown_key(finding.outcome, status),
            (ProbeOutcome::Proven, Some(key)) => proven(key, question.is_signed),
            (ProbeOutcome::WrongKey, Some(key)) => wrong_key(key),
            (ProbeOutcome::BadStatus, Some(_)) => bad_status(status),
            (ProbeOutcome::NotEncrypted, Some(_)) => not_encrypted(),
            (ProbeOutcome::NotReadable, Some(key)) if finding.iv_not_flipped => not_flipped(key),
            (ProbeOutcome::NotReadable, Some(_)) => not_readable(),
            (ProbeOutcome::BadPayload, Some(key)) => bad_payload(key),
        }
    }

    /// All parts as one text.
    #[must_use]
    pub fn text(&self) -> String {
        [&*self.found, &*self.meaning, &*self.remedy].join(" ")
    }
}

fn explained(
    found: impl Into<Cow<'static, str>>,
    meaning: impl Into<Cow<'static, str>>,
    remedy: impl Into<Cow<'static, str>>,
) -> Explanation {
    Explanation { found: found.into(), meaning: meaning.into(), remedy: remedy.into() }
}

fn proven(key: &Fingerprint, is_signed: bool) -> Explanation {
    let remedy = if is_signed {
        "Nothing to do."
    } else {
        "Nothing to do for the key. The request had no signature, so the endpoint accepts requests from anybody. Make the \
         endpoint check X-Hub-Signature-256."
    };
    let found = "The endpoint decrypted a health check and answered as Meta expects.";
    explained(found, format!("The endpoint has the private half of {key}."), remedy)
}

fn wrong_key(key: &Fingerprint) -> Explanation {
    explained(
        "The endpoint answered 421: it cannot decrypt the request.",
        format!("The endpoint does not have the private half of {key}. A Flow that is encrypted with this key fails."),
        "Give the endpoint this private key. If it should have the key already, the usual causes are: an environment \
         variable, which does not change in a running process; a volume that is mounted with subPath, which the kubelet \
         does not update; another Secret, or another entry of the Secret; a process that reads its keys only at the \
         start, and needs a restart.",
    )
}

fn signature_refused(status: u16, is_signed: bool) -> Explanation {
    let meaning = "The endpoint did not try to decrypt. What it does with this key is not known.";
    let gateway =
        if status == 432 { "" } else { " If a gateway gave this answer, let Meta's requests pass the gateway." };
    if !is_signed {
        let found = format!("The endpoint answered {status} to a request without a signature.");
        let remedy = "Give the secret of the app that is connected to the Flow with --app-secret-file FILE.";
        return explained(found, meaning, format!("{remedy}{gateway}"));
    }
    let remedy = "Compare the app secret that you gave with the app secret of the endpoint. Both must be the secret of the \
                  app that is connected to the Flow, since its last reset. The signature is the HMAC-SHA256 of the body \
                  as it arrives, before any parsing.";
    let found = format!("The endpoint answered {status}: it refuses the signature.");
    explained(found, meaning, format!("{remedy}{gateway}"))
}

fn timed_out() -> Explanation {
    explained(
        "No complete answer came within 10 seconds.",
        "Meta also gives up after 10 seconds, and customers see an error. What the endpoint does with this key is not \
         known.",
        "Look in the endpoint's log for what it waits for, such as a database or another service. A health check needs \
         none of them. Meta advises to answer within a second.",
    )
}

fn unreachable(obstacle: Obstacle) -> Explanation {
    let (found, remedy) = match obstacle {
        Obstacle::UnknownName => (
            "The host's name has no address.",
            "Correct the name or the DNS record. A name that ends in .svc exists only inside the cluster.",
        ),
        Obstacle::Refused => (
            "The host refused the connection: nothing listens on that port.",
            "Correct the port, or make sure that the endpoint runs.",
        ),
        Obstacle::Silence => (
            "Nobody answered the attempt to connect within 5 seconds.",
            "Look for a NetworkPolicy, a firewall or a security group that drops the packets. Make sure that the address \
             still belongs to the endpoint.",
        ),
        Obstacle::NoRoute => (
            "There is no route to the address from here.",
            "Ask from a network that reaches the address, for example from inside the cluster.",
        ),
        Obstacle::Proxy => (
            "The proxy in HTTPS_PROXY or HTTP_PROXY did not let the request through.",
            "Allow the host in the proxy, or add the host to NO_PROXY.",
        ),
        Obstacle::CertificateExpired => (
            "The endpoint's certificate is expired or not yet valid.",
            "Renew the certificate, and make sure that the endpoint has loaded the new one.",
        ),
        Obstacle::CertificateUntrusted => (
            "The endpoint's certificate is not trusted: its authority is unknown, or its chain is not complete.",
            "Make the endpoint send the intermediate certificates as well. If the authority is your own, give its \
             certificate with --ca-file FILE; Meta does not trust such an authority.",
        ),
        Obstacle::CertificateForOtherName => (
            "The endpoint's certificate is for another name than the name in the URL.",
            "Use the name of the certificate, or get a certificate for this name.",
        ),
        Obstacle::Tls => (
            "TLS could not be set up with the server on that port.",
            "If the port speaks plain HTTP, use a URL that begins with http://. The server must support TLS 1.2 or later.",
        ),
        Obstacle::Broken => (
            "The connection broke before the answer was complete, or the answer is not HTTP.",
            "Look in the logs of the endpoint, and of proxies in front of it, for a crash or a limit. If the port speaks \
             TLS, use a URL that begins with https://.",
        ),
    };
    explained(found, "What the endpoint does with this key is not known.", remedy)
}

fn redirected(status: u16) -> Explanation {
    explained(
        format!("The answer is a redirect (HTTP {status}), which a health check does not follow."),
        "The endpoint does not answer at this URL. What it does with this key is not known.",
        "Use the URL of the redirect, here and in the Flow. Often the difference is https instead of http, or a slash at \
         the end.",
    )
}

fn not_there(status: u16) -> Explanation {
    explained(
        format!("The answer is HTTP {status}: nothing accepts a POST at this path."),
        "A server answers, but not the endpoint. What the endpoint does with this key is not known.",
        "Correct the path of the URL, or the route in the endpoint or in a proxy in front of it.",
    )
}

fn bad_status(status: u16) -> Explanation {
    explained(
        format!(
            "The endpoint answered HTTP {status}. The right answer is 200 for a key that it has, and 421 for a key that it \
             lacks."
        ),
        "The endpoint fails at a health check, or it fails to decrypt and does not say so. Whether it has the key is not \
         known.",
        "Look in the endpoint's log at this time. If it failed to decrypt, it lacks the private key: give it that key, and \
         make it answer 421 whenever it cannot decrypt. If it decrypted the request, make it answer the action \"ping\".",
    )
}

fn not_encrypted() -> Explanation {
    explained(
        "The answer is HTTP 200 with text that is not base64 of encrypted data.",
        "The endpoint does not encrypt its answer, or another server answers in its place, for example with a page to sign \
         in. Whether the endpoint has the key is not known.",
        "Encrypt the answer with the AES key of the request. Send only the base64, as text/plain: not in JSON, not in \
         quotes, with padding and without line breaks.",
    )
}

fn not_flipped(key: &Fingerprint) -> Explanation {
    explained(
        "The answer is encrypted with the unchanged initialization vector of the request.",
        format!("The endpoint has the private half of {key}, but WhatsApp cannot read its answers."),
        "Flip every bit of the initialization vector (each byte XOR 0xFF), and encrypt the answer with the result.",
    )
}

fn not_readable() -> Explanation {
    explained(
        "The answer is base64, but cannot be decrypted with the key of the request.",
        "The endpoint used another AES key or another method, or something changed the answer on its way. Whether the \
         endpoint has the key is not known.",
        "Encrypt the answer with AES-128-GCM. Use the AES key of the same request, and all 16 bytes of the initialization \
         vector with each bit flipped. Put the tag of 16 bytes at the end.",
    )
}

fn bad_payload(key: &Fingerprint) -> Explanation {
    explained(
        "The answer can be decrypted, but does not answer a health check.",
        format!("The endpoint has the private half of {key}, but does not know the action \"ping\"."),
        "Answer this action with {\"data\":{\"status\":\"active\"}}.",
    )
}

/// For a request that nobody can decrypt.
fn to_unknown_key(outcome: ProbeOutcome, status: u16) -> Explanation {
    if outcome == ProbeOutcome::WrongKey {
        return explained(
            "The endpoint answered 421 to a request that nobody can decrypt.",
            "This answer tells a phone with an earlier public key to fetch the key again.",
            "Nothing to do.",
        );
    }
    explained(
        format!("The endpoint answered HTTP {status} to a request that nobody can decrypt. The right answer is 421."),
        "A phone with an earlier public key does not fetch the key again, so its Flows fail after a rotation.",
        "Make the endpoint catch the failure to decrypt the AES key, and answer 421.",
    )
}

#[cfg(test)]
mod tests {
    use waflows_key::Fingerprint;

    use super::*;

    fn questions() -> [Question; 3] {
        let key: Fingerprint = format!("sha256:{}", "0".repeat(64)).parse().unwrap();
        [(Some(key), false), (Some(key), true), (None, false)].map(|(key, is_signed)| Question { key, is_signed })
    }

    /// All possible findings.
    fn findings() -> Vec<(ProbeFinding, Option<Obstacle>)> {
        let unreachable = ProbeFinding::unanswered(ProbeOutcome::Unreachable);
        let not_flipped =
            ProbeFinding { iv_not_flipped: true, ..ProbeFinding::answered(ProbeOutcome::NotReadable, 200) };
        let statuses = [200, 302, 401, 404, 421, 432, 500];
        let answered =
            ProbeOutcome::ALL.into_iter().flat_map(|outcome| statuses.map(|s| ProbeFinding::answered(outcome, s)));
        answered
            .map(|finding| (finding, None))
            .chain([(not_flipped, None), (unreachable, None)])
            .chain(Obstacle::ALL.map(|obstacle| (unreachable, Some(obstacle))))
            .collect()
    }

    #[test]
    fn everything_is_said_in_whole_sentences() {
        for question in questions() {
            for (finding, obstacle) in findings() {
                let explanation = Explanation::of(&question, &finding, obstacle);
                for part in [&explanation.found, &explanation.meaning, &explanation.remedy] {
                    let is_sentence = part.starts_with(char::is_uppercase) && part.ends_with(['.', '}']);
                    assert!(is_sentence && !part.contains("  ") && part.len() < 400, "{part}");
                }
                assert!(explanation.text().len() < 1024);
            }
        }
    }

    #[test]
    fn only_what_was_learned_of_a_key_is_said_of_it() {
        let [unsigned, ..] = questions();
        for (finding, obstacle) in findings() {
            let text = Explanation::of(&unsigned, &finding, obstacle).text();
            let knows =
                matches!(finding.outcome, ProbeOutcome::Proven | ProbeOutcome::WrongKey | ProbeOutcome::BadPayload)
                    || finding.iv_not_flipped;
            assert_eq!(text.contains("private half of sha256:"), knows, "{text}");
            assert_eq!(text.contains("not known"), !knows, "{text}");
        }
    }
}
