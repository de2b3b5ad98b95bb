//! An example as a process.

use std::cell::RefCell;
use std::net::{SocketAddr, TcpStream};

use harness::wait::{PATIENCE, blocking_until};
use supervised::{Process, free_address};

use super::language::Language;
use super::mount::Mount;
use crate::scene::{APP_SECRET, Folder, KEY};

pub(crate) struct Endpoint {
    pub(crate) address: SocketAddr,
    pub(crate) keys: Mount,
    /// The files for `ping`.
    pub(crate) folder: Folder,
    secret: RefCell<Mount>,
    process: Process,
}

impl Endpoint {
    /// Starts the example with [`KEY`], and waits until the example listens.
    pub(crate) fn start(language: &Language, has_secret: bool) -> Self {
        let keys = Mount::new(&[("old.pem", &KEY.private_pem)]);
        let secret = Mount::new(&[("secret", APP_SECRET)]);
        let folder = Folder::new();
        let address = free_address().unwrap();
        let (program, arguments) = language.command(folder.root());
        let (port, secret_file) = (address.port().to_string(), secret.path().join("secret"));
        let mut variables = vec![("KEY_FOLDER", keys.path().as_os_str()), ("PORT", port.as_ref())];
        if has_secret {
            variables.push(("APP_SECRET_FILE", secret_file.as_os_str()));
        }
        let process = Process::start(&program, arguments, &variables).unwrap();
        let endpoint = Self { address, keys, folder, secret: secret.into(), process };
        let listens = blocking_until(PATIENCE, || TcpStream::connect(address).is_ok());
        assert!(listens, "nobody listens on {address}: {}", endpoint.log());
        endpoint
    }

    pub(crate) fn set_secret(&self, secret: &str) {
        self.secret.borrow_mut().set(&[("secret", secret)]);
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.process.log()).unwrap()
    }

    /// The outcome and the HTTP status that `ping` reports, with these flags and the app secret in this file.
    pub(crate) fn ask(&self, flags: &[&str], secret_file: Option<&str>) -> String {
        let (url, secret_file) = (format!("http://{}/flows", self.address), secret_file.map(|file| format!("@{file}")));
        let secret = secret_file.as_ref().map_or(vec![], |file| vec!["--app-secret-file", file]);
        let said = self.folder.ping(&[&[&*url, "-o", "json"], flags, &secret].concat()).json();
        format!("{} {}", said["outcome"].as_str().unwrap(), said["targets"][0]["httpStatus"])
    }

    /// Asks until `ping` reports this.
    pub(crate) fn becomes(&self, flags: &[&str], expected: &str) {
        let is_so = blocking_until(PATIENCE, || self.ask(flags, Some("app-secret")) == expected);
        assert!(is_so, "{flags:?} did not become {expected}: {}", self.log());
    }
}
