//! The folder of a server: `data` (the cluster, owned by the server's user), and in a kept one `password` and `lock`.
//!
//! A cluster is complete or absent: `initdb` works beside it and the result is renamed into place. Of two processes that
//! want the same kept folder one gets it. A temporary folder goes with the server, whatever happens.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::binaries::Binaries;
use super::database::{Password, SUPERUSER, random_hex};
use super::error::Error;
use super::user::ServerUser;
use super::{Data, Durability};

/// Where the data of a server is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the folder that was asked for; it stays.
    Kept(PathBuf),
    /// In a folder that goes with the server.
    Temporary(PathBuf),
    /// The folder asked for is behind one that the server's user may not enter, so the data is in a temporary one.
    TemporaryInstead {
        /// What was asked for.
        wanted: PathBuf,
        /// What it is.
        folder: PathBuf,
    },
}

impl Place {
    /// The folder itself.
    pub fn folder(&self) -> &Path {
        match self {
            Self::Kept(folder)
            | Self::Temporary(folder)
            | Self::TemporaryInstead { folder, .. } => folder,
        }
    }
}

/// Who removes a temporary folder when the value is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Remover {
    Us,
    Watchdog,
}

#[derive(Debug)]
pub(super) struct Home {
    place: Place,
    data: PathBuf,
    remover: Remover,
    /// Held as long as the folder is used; the kernel lets go when we die.
    _lock: Option<File>,
}

impl Home {
    pub(super) fn open(data: &Data, user: &ServerUser) -> Result<Self, Error> {
        match data {
            Data::Temporary => Ok(Self::at(Place::Temporary(temporary_folder(user)?), None)),
            Data::Kept(folder) => Self::open_kept(folder, user),
        }
    }

    fn open_kept(wanted: &Path, user: &ServerUser) -> Result<Self, Error> {
        let use_folder = || format!("use {}", wanted.display());
        fs::create_dir_all(wanted).map_err(Error::io(use_folder()))?;
        // The server works in its data folder and is known by it, so the name must be the one that the kernel gives.
        let folder = fs::canonicalize(wanted).map_err(Error::io(use_folder()))?;
        let lock = File::create(folder.join("lock")).map_err(Error::io(use_folder()))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(Error::InUse {
                    folder: wanted.to_path_buf(),
                });
            }
            Err(TryLockError::Error(error)) => return Err(Error::io(use_folder())(error)),
        }
        let place = if user.can_enter(&folder) {
            Place::Kept(folder)
        } else {
            Place::TemporaryInstead {
                wanted: folder,
                folder: temporary_folder(user)?,
            }
        };
        Ok(Self::at(place, Some(lock)))
    }

    fn at(place: Place, lock: Option<File>) -> Self {
        Self {
            data: place.folder().join("data"),
            place,
            remover: Remover::Us,
            _lock: lock,
        }
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    /// The folder of the cluster itself.
    pub(super) fn data(&self) -> &Path {
        &self.data
    }

    /// The whole folder, if it has to go in the end.
    pub(super) fn temporary(&self) -> Option<&Path> {
        match &self.place {
            Place::Kept(_) => None,
            Place::Temporary(folder) | Place::TemporaryInstead { folder, .. } => Some(folder),
        }
    }

    /// Makes the cluster if there is none, and returns the superuser's password.
    pub(super) fn ready_data(
        &self,
        binaries: &Binaries,
        user: &ServerUser,
        durability: Durability,
    ) -> Result<Password, Error> {
        let data = &self.data;
        let written_by = match fs::read_to_string(data.join("PG_VERSION")) {
            Ok(text) => text.trim_end().to_owned(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return self.make_data(binaries, user, durability);
            }
            Err(error) => return Err(Error::io(format!("read {}", data.display()))(error)),
        };
        if written_by != binaries.major().to_string() {
            return Err(Error::OtherVersion {
                folder: data.clone(),
                written_by,
                found: binaries.major(),
            });
        }
        user.own_all(data)
            .map_err(Error::io(format!("give {} to its user", data.display())))?;
        let password =
            fs::read_to_string(self.password_file()).map_err(|_| Error::PasswordLost {
                folder: data.clone(),
            })?;
        Ok(Password::from_file(&password))
    }

    fn make_data(
        &self,
        binaries: &Binaries,
        user: &ServerUser,
        durability: Durability,
    ) -> Result<Password, Error> {
        let new = self.place.folder().join("data.new");
        let make = || format!("make {}", new.display());
        if new.exists() {
            // An earlier start was killed in the middle.
            fs::remove_dir_all(&new).map_err(Error::io(make()))?;
        }
        make_private_folder(&new, user).map_err(Error::io(make()))?;
        let password = Password::random();
        let password_file = self.place.folder().join("initdb-password");
        write_private(&password_file, &password).map_err(Error::io(make()))?;
        user.own(&password_file).map_err(Error::io(make()))?;
        let made = initdb(&new, &password_file, binaries, user, durability);
        fs::remove_file(&password_file).map_err(Error::io(make()))?;
        made?;
        if let Place::Kept(_) = self.place {
            write_private(&self.password_file(), &password).map_err(Error::io(make()))?;
        }
        fs::rename(&new, &self.data)
            .map_err(Error::io(format!("put {} into place", self.data.display())))?;
        Ok(password)
    }

    fn password_file(&self) -> PathBuf {
        self.place.folder().join("password")
    }

    /// From now on the watchdog of the server removes a temporary folder.
    pub(super) fn leave_to_watchdog(&mut self) {
        self.remover = Remover::Watchdog;
    }

    /// After the server ended: the watchdog may have been killed.
    pub(super) fn close(mut self) -> Result<(), Error> {
        self.remover = Remover::Watchdog;
        match self.temporary() {
            Some(folder) => {
                remove_folder(folder).map_err(Error::io(format!("remove {}", folder.display())))
            }
            None => Ok(()),
        }
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        if self.remover == Remover::Us
            && let Some(folder) = self.temporary()
        {
            // The start failed and its error matters more.
            let _ = remove_folder(folder);
        }
    }
}

fn remove_folder(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// In `TMPDIR`, or in `/tmp` where the server's user may not enter that one.
fn temporary_folder(user: &ServerUser) -> Result<PathBuf, Error> {
    let name = format!("rise-postgresql-{}", random_hex::<6>());
    let mut last = io::Error::from(io::ErrorKind::PermissionDenied);
    for parent in [std::env::temp_dir(), PathBuf::from("/tmp")] {
        let made = fs::canonicalize(parent).and_then(|parent| {
            let folder = parent.join(&name);
            make_private_folder(&folder, user)?;
            Ok(folder)
        });
        match made {
            Ok(folder) if user.can_enter(&folder) => return Ok(folder),
            Ok(folder) => remove_folder(&folder).map_err(Error::io("remove an empty folder"))?,
            Err(error) => last = error,
        }
    }
    Err(Error::io("make a temporary folder")(last))
}

fn make_private_folder(folder: &Path, user: &ServerUser) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(folder)?;
    user.own(folder)
}

/// Replaces the file, so that its mode is ours whatever was there.
fn write_private(file: &Path, password: &Password) -> io::Result<()> {
    remove_file_if_there(file)?;
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(file)?
        .write_all(password.expose().as_bytes())
}

fn remove_file_if_there(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn initdb(
    folder: &Path,
    password_file: &Path,
    binaries: &Binaries,
    user: &ServerUser,
    durability: Durability,
) -> Result<(), Error> {
    let mut command = user.command(binaries.initdb());
    command
        .args(["--username", SUPERUSER, "--auth=scram-sha-256"])
        .args(["--encoding=UTF8", "--locale=C", "--pwfile"])
        .arg(password_file)
        .arg("--pgdata")
        .arg(folder);
    match durability {
        Durability::Fsync => {}
        Durability::Volatile => {
            command.arg("--no-sync");
        }
    }
    let output = command.output().map_err(Error::io("run initdb"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Error::Initdb {
        output: said.trim_end().to_owned(),
    })
}
