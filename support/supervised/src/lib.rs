//! Programs of this workspace as processes. Each ends with the process that started it, however that process ends.

use std::env;
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tempfile::NamedTempFile;

/// How long a program may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);
const LOG_TAIL_LINES: usize = 60;

/// A running program. Dropping this sends it SIGTERM and waits for its end.
#[derive(Debug)]
pub struct Process {
    supervisor: Child,
    process_id: u32,
    log: NamedTempFile,
}

/// Where a program of the workspace is: in the folder of the running program.
///
/// # Errors
/// Where the running program's own path is not known.
pub fn beside(name: &str) -> io::Result<PathBuf> {
    Ok(env::current_exe()?.with_file_name(name))
}

/// An address of this machine that nobody listens on.
///
/// # Errors
/// Where there is none.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

impl Process {
    /// Starts a program with further variables in its environment. What it prints goes to a log file.
    ///
    /// # Errors
    /// Where that fails.
    pub fn start(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &OsStr)],
    ) -> io::Result<Self> {
        Self::spawn(Command::new("sh"), program, arguments, environment)
    }

    /// The same, without the variables that this process has in its environment.
    ///
    /// # Errors
    /// Where that fails.
    pub fn start_clean(
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &OsStr)],
    ) -> io::Result<Self> {
        let mut shell = Command::new("sh");
        shell.env_clear();
        Self::spawn(shell, program, arguments, environment)
    }

    fn spawn(
        mut shell: Command,
        program: &Path,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        environment: &[(&str, &OsStr)],
    ) -> io::Result<Self> {
        let name = program.file_name().unwrap_or_default().to_string_lossy();
        let log = tempfile::Builder::new().prefix(&format!("{name}-")).suffix(".log").tempfile()?;
        let mut supervisor = shell
            .args(["-c", include_str!("supervise.sh"), "supervise"])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().copied())
            // Ctrl-C in a terminal must not reach the program: its starter sees the signal, and stops the program.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log.reopen()?)
            .spawn()?;
        let process_id = read_process_id(&mut supervisor)?;
        Ok(Self { supervisor, process_id, log })
    }

    /// The program's process ID.
    pub fn process_id(&self) -> u32 {
        self.process_id
    }

    /// Its log file, which is removed with it.
    pub fn log(&self) -> &Path {
        self.log.path()
    }

    /// The end of the log.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.log()).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_TAIL_LINES)..].join("\n")
    }

    /// Leaves the log file where it is.
    pub fn keep_log(&mut self) {
        self.log.disable_cleanup(true);
    }

    /// The exit status, if the program ended by itself.
    ///
    /// # Errors
    /// Where the system does not say so.
    pub fn ended(&mut self) -> io::Result<Option<ExitStatus>> {
        self.supervisor.try_wait()
    }

    /// Waits until the program ends by itself.
    ///
    /// # Errors
    /// Where the system does not say so.
    pub fn wait(&mut self) -> io::Result<ExitStatus> {
        // Not `Child::wait`: that closes standard input, on which the supervisor ends the program.
        loop {
            if let Some(status) = self.ended()? {
                return Ok(status);
            }
            thread::sleep(POLL);
        }
    }

    /// Kills the program and waits for its end. Does nothing where the program has ended.
    ///
    /// # Errors
    /// Where that fails.
    pub fn kill(&mut self) -> io::Result<()> {
        let program = self.process_id.try_into().ok().and_then(Pid::from_raw);
        if let (None, Some(program)) = (self.ended()?, program) {
            match kill_process(program, Signal::KILL) {
                // It ended just now.
                Ok(()) | Err(Errno::SRCH) => {}
                Err(errno) => return Err(errno.into()),
            }
            self.supervisor.wait()?;
        }
        Ok(())
    }

    /// Asks the program to stop and waits until it has. `None` if it did not end in time and was killed.
    ///
    /// # Errors
    /// Where waiting fails.
    pub fn stop(mut self) -> io::Result<Option<ExitStatus>> {
        self.shut_down()
    }

    fn shut_down(&mut self) -> io::Result<Option<ExitStatus>> {
        // The supervisor then sends SIGTERM.
        drop(self.supervisor.stdin.take());
        let start = Instant::now();
        while start.elapsed() < GRACE {
            if let Some(status) = self.supervisor.try_wait()? {
                return Ok(Some(status));
            }
            thread::sleep(POLL);
        }
        if let Some(group) = self.supervisor.id().try_into().ok().and_then(Pid::from_raw) {
            kill_process_group(group, Signal::KILL)?;
        }
        self.supervisor.wait()?;
        Ok(None)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It ended or it is killed; `stop` is for those who want to know how.
        let _ = self.shut_down();
    }
}

fn read_process_id(supervisor: &mut Child) -> io::Result<u32> {
    let stdout = supervisor.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    line.trim_end().parse().map_err(|_| io::Error::other("its supervisor printed no process ID"))
}
