//! Who the server runs as: ourselves, or, because PostgreSQL refuses root, an ordinary user of the machine.
//!
//! Every program of PostgreSQL is started through [`ServerUser::command`], so that it sees neither our environment (which
//! may hold secrets, and `PG…` variables that change what it does) nor a working folder that it may not enter.

use std::env;
use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use super::error::Error;

/// In this order: the user that Debian's package makes, then the one that every machine has.
const CANDIDATES: [&str; 2] = ["postgres", "nobody"];

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerUser {
    Ourselves,
    Other { uid: u32, gid: u32 },
}

impl ServerUser {
    pub(super) fn choose() -> Result<Self, Error> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ourselves);
        }
        let passwd = fs::read_to_string("/etc/passwd").map_err(Error::io("read /etc/passwd"))?;
        CANDIDATES
            .iter()
            .find_map(|name| Self::in_passwd(&passwd, name))
            .ok_or(Error::NoServerUser)
    }

    /// `initdb` looks itself up by uid, so only a user with an entry will do.
    fn in_passwd(passwd: &str, name: &str) -> Option<Self> {
        passwd.lines().find_map(|line| {
            let mut fields = line.split(':');
            if fields.next() != Some(name) {
                return None;
            }
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            (uid != 0).then_some(Self::Other { uid, gid })
        })
    }

    /// A command that runs as this user, in `/`, with nothing of our environment but where programs and libraries are.
    pub(super) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("LC_ALL", "C")
            .current_dir("/")
            .stdin(Stdio::null());
        // The watchdog needs `rm`, whatever our own search path is.
        let mut path = env::var_os("PATH").unwrap_or_default();
        path.push(":/usr/bin:/bin");
        command.env("PATH", path);
        if let Some(libraries) = env::var_os("LD_LIBRARY_PATH") {
            command.env("LD_LIBRARY_PATH", libraries);
        }
        if let Self::Other { uid, gid } = *self {
            command.uid(uid).gid(gid);
        }
        command
    }

    /// Whether this user can pass all parents of the folder and the folder itself: asked of the kernel, which knows of ACLs.
    pub(super) fn can_enter(&self, folder: &Path) -> bool {
        match self {
            Self::Ourselves => true,
            Self::Other { .. } => self
                .command("/bin/sh")
                .args(["-c", r#"cd -- "$1""#, "sh"])
                .arg(folder)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .is_ok_and(|status| status.success()),
        }
    }

    /// Gives this user the file or folder.
    pub(super) fn own(&self, path: &Path) -> io::Result<()> {
        match *self {
            Self::Ourselves => Ok(()),
            Self::Other { uid, gid } => chown(path, Some(uid), Some(gid)),
        }
    }

    /// Gives this user a folder with all that is in it, if an earlier start left it to another one.
    pub(super) fn own_all(&self, folder: &Path) -> io::Result<()> {
        let Self::Other { uid, .. } = *self else {
            return Ok(());
        };
        if fs::symlink_metadata(folder)?.uid() == uid {
            return Ok(());
        }
        self.own_tree(folder)
    }

    fn own_tree(&self, folder: &Path) -> io::Result<()> {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            if kind.is_dir() {
                self.own_tree(&entry.path())?;
            } else if kind.is_file() {
                self.own(&entry.path())?;
            }
        }
        // Last, because it is what own_all looks at: an interrupted run is taken up again.
        self.own(folder)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_read_from_passwd_by_its_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgresx:x:7:7::/:/bin/sh\n\
                      postgres:x:101:104:PostgreSQL administrator,,,:/var/lib/postgresql:/bin/bash\n";
        assert_eq!(
            ServerUser::in_passwd(passwd, "postgres"),
            Some(ServerUser::Other { uid: 101, gid: 104 })
        );
        assert_eq!(ServerUser::in_passwd(passwd, "nobody"), None);
        assert_eq!(ServerUser::in_passwd("nobody:x:0:0::/:", "nobody"), None);
        assert_eq!(ServerUser::in_passwd("nobody", "nobody"), None);
    }
}
