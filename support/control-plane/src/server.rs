use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Error;

/// How long a server may take to become ready. It takes seconds; the rest is for machines that are busy with a build.
const PATIENCE: Duration = Duration::from_secs(180);
const POLL: Duration = Duration::from_millis(25);
const LOG_TAIL_LINES: usize = 25;

/// A running server under its supervisor (see `supervise.sh`). Dropping it kills the server and removes the folder,
/// as does the end of this process.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    process_id: Pid,
    supervisor: Child,
    log: PathBuf,
}

impl Server {
    /// Starts `program`; its log goes to `<name>.log` in `folder`, after what an earlier run wrote there.
    pub(crate) fn spawn(
        name: &'static str,
        program: &Path,
        arguments: &[String],
        folder: &Path,
    ) -> Result<Self, Error> {
        let failed = |source| Error::Spawn { server: name, source };
        let log = folder.join(format!("{name}.log"));
        let log_file = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .map_err(|source| Error::Write { path: log.clone(), source })?;
        let mut supervisor = Command::new("sh")
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(folder)
            .arg(program)
            .args(arguments)
            .current_dir(folder)
            // Ctrl-C in a terminal must reach only the process that holds the pipe, not the supervisor and the server.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log_file)
            .spawn()
            .map_err(failed)?;
        let process_id = read_process_id(&mut supervisor).map_err(failed)?;
        Ok(Self { name, process_id, supervisor, log })
    }

    /// Polls `condition` until it holds.
    pub(crate) fn wait_until(&mut self, what: &'static str, mut condition: impl FnMut() -> bool) -> Result<(), Error> {
        let start = Instant::now();
        loop {
            self.check_running()?;
            if condition() {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(Error::NotReady { server: self.name, what, waited: PATIENCE, log: self.log_tail() });
            }
            thread::sleep(POLL);
        }
    }

    pub(crate) fn check_running(&mut self) -> Result<(), Error> {
        match self.supervisor.try_wait() {
            Ok(None) => Ok(()),
            Ok(Some(_)) | Err(_) => Err(Error::Exited { server: self.name, log: self.log_tail() }),
        }
    }

    pub(crate) fn signal(&mut self, signal: Signal) -> Result<(), Error> {
        self.check_running()?;
        kill_process(self.process_id, signal).map_err(|errno| Error::Signal {
            server: self.name,
            process_id: self.process_id(),
            source: errno.into(),
        })
    }

    pub(crate) fn process_id(&self) -> u32 {
        self.process_id.as_raw_nonzero().get().unsigned_abs()
    }

    /// Ends the server if it has not ended by itself. Unlike a drop, this leaves the folder.
    pub(crate) fn kill(mut self) -> Result<(), Error> {
        if self.check_running().is_ok() {
            self.signal(Signal::KILL)?;
        }
        // Waiting would close standard input, and then the supervisor removes the folder.
        let _stdin = self.supervisor.stdin.take();
        self.supervisor.wait().map_err(|source| Error::Spawn { server: self.name, source })?;
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.supervisor.stdin.take());
        // Fails only if somebody has already waited for the supervisor.
        let _ = self.supervisor.wait();
    }
}

fn read_process_id(supervisor: &mut Child) -> io::Result<Pid> {
    let stdout = supervisor.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let process_id: Option<Pid> = line.trim_end().parse().ok().and_then(Pid::from_raw);
    process_id.ok_or_else(|| io::Error::other("its supervisor printed no process ID"))
}
