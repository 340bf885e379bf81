//! The program on a terminal: a pseudo-terminal of a given width, and what was written to it.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// A program whose standard output and error are a terminal.
pub(crate) struct Terminal {
    child: Child,
    written: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
    /// Our end, to type on and to change its size.
    ours: File,
}

impl Terminal {
    /// Starts a program on a terminal with colours.
    pub(crate) fn start(mut command: Command, columns: u16) -> Self {
        let (ours, theirs) = open(columns, ROWS);
        command
            .env("TERM", "xterm-256color")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs);
        Self::on(command, ours)
    }

    /// Starts a program that has a terminal of its own altogether: it reads keys from it and is told of its size.
    pub(crate) fn screen(command: &Command, columns: u16, rows: u16) -> Self {
        let (ours, theirs) = open(columns, rows);
        let mut own = Command::new("setsid");
        // It becomes the program: what leads no group needs no fork for a session of its own.
        own.arg("--ctty")
            .arg(command.get_program())
            .args(command.get_args())
            .env_clear();
        for (name, value) in command.get_envs() {
            own.env(name, value.unwrap_or_default());
        }
        own.env("TERM", "xterm-256color")
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .stdin(theirs.try_clone().unwrap())
            .stdout(theirs.try_clone().unwrap())
            .stderr(theirs);
        Self::on(own, ours)
    }

    fn on(mut command: Command, ours: OwnedFd) -> Self {
        let child = command.spawn().unwrap();
        // The command holds their end too, and the reader would wait for it for ever.
        drop(command);
        let written = Arc::new(Mutex::new(Vec::new()));
        let reader = std::thread::spawn({
            let (written, ours) = (Arc::clone(&written), ours.try_clone().unwrap());
            move || read(File::from(ours), &written)
        });
        Self {
            child,
            written,
            reader: Some(reader),
            ours: File::from(ours),
        }
    }

    /// Types.
    pub(crate) fn press(&self, keys: &str) {
        (&self.ours).write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the size of the terminal.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        tcsetwinsize(&self.ours, size(columns, rows)).unwrap();
    }

    /// What the terminal shows, given all that was written.
    pub(crate) fn shown(&self, columns: u16, rows: u16) -> vt100::Parser {
        let mut parser =
            vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
        parser.process(&self.written.lock().unwrap());
        parser
    }

    /// The program.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_child(&self.child)
    }

    /// Whether lines are edited by the terminal itself, as a shell's are.
    pub(crate) fn edits_lines(&self) -> bool {
        let modes = rustix::termios::tcgetattr(&self.ours).unwrap().local_modes;
        modes.contains(rustix::termios::LocalModes::ICANON)
    }

    /// What was written so far, without the carriage returns of a terminal.
    pub(crate) fn so_far(&self) -> String {
        text(&self.written)
    }

    /// Ctrl-C.
    pub(crate) fn interrupt(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::INT).unwrap();
    }

    /// Waits for the program's end.
    pub(crate) fn until_its_end(mut self) -> (String, ExitStatus) {
        let status = self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        (text(&self.written), status)
    }
}

impl Drop for Terminal {
    /// A test that failed leaves no program behind; one that ended does not mind.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A line without colours.
pub(crate) fn plain(line: &str) -> String {
    anstream::adapter::strip_str(line).to_string()
}

fn text(written: &Mutex<Vec<u8>>) -> String {
    let bytes = written.lock().unwrap();
    String::from_utf8_lossy(&bytes).replace('\r', "")
}

/// Of a terminal whose height does not matter.
const ROWS: u16 = 50;

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

fn open(columns: u16, rows: u16) -> (OwnedFd, OwnedFd) {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    tcsetwinsize(&ours, size(columns, rows)).unwrap();
    let name = ptsname(&ours, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let path = Path::new(name.to_str().unwrap());
    let theirs = rustix::fs::open(path, flags, Mode::empty()).unwrap();
    (ours, theirs)
}

fn read(mut ours: File, written: &Mutex<Vec<u8>>) {
    let mut buffer = [0; 4096];
    // An error is how a terminal tells that nobody is at its other end any more.
    while let Ok(count) = ours.read(&mut buffer) {
        if count == 0 {
            return;
        }
        written.lock().unwrap().extend_from_slice(&buffer[..count]);
    }
}
