//! Finding the programs: a folder that holds `initdb` and `postgres` which answer to the user that will run them.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::error::Error;
use super::fetch;
use super::user::ServerUser;

/// The version that rise's statements are written for; older ones lack some of them.
const OLDEST_MAJOR: u32 = 15;

/// Where programs may be: the process's environment, or a test's.
#[derive(Debug, Clone)]
pub(super) struct Places {
    /// `RISE_PG_BIN`: if given, nothing else counts.
    pub(super) named: Option<PathBuf>,
    /// The search path, for the server, `pg_config` and the package clients.
    pub(super) path: OsString,
    /// Debian's folder of all versions.
    pub(super) installed: PathBuf,
    /// Where a fetched one is kept, best first.
    pub(super) caches: Vec<PathBuf>,
}

impl Places {
    pub(super) fn from_environment() -> Self {
        let absolute = |name| {
            env::var_os(name)
                .map(PathBuf::from)
                .filter(|p| p.is_absolute())
        };
        let user_cache =
            absolute("XDG_CACHE_HOME").or_else(|| absolute("HOME").map(|home| home.join(".cache")));
        // For root, whose home is closed to the server's user; the others may find there what root fetched.
        let system_cache = Some(PathBuf::from("/var/cache"));
        Self {
            named: env::var_os("RISE_PG_BIN").map(PathBuf::from),
            path: env::var_os("PATH").unwrap_or_default(),
            installed: PathBuf::from("/usr/lib/postgresql"),
            caches: user_cache
                .into_iter()
                .chain(system_cache)
                .map(|cache| cache.join("rise"))
                .collect(),
        }
    }

    /// The first program of this name on the search path.
    pub(super) fn program(&self, name: &str) -> Option<PathBuf> {
        env::split_paths(&self.path)
            .filter(|folder| folder.is_absolute())
            .map(|folder| folder.join(name))
            .find(|file| file.is_file())
    }

    /// Folders worth a look, in the order of preference.
    fn candidates(&self) -> Vec<PathBuf> {
        // Behind a link on the search path is the folder that has initdb beside it.
        let on_path = self
            .program("postgres")
            .and_then(|file| fs::canonicalize(file).ok())
            .and_then(|file| file.parent().map(Path::to_path_buf));
        let mut candidates: Vec<_> = on_path.into_iter().chain(self.pg_config()).collect();
        candidates.extend(self.installed_newest_first());
        let mut seen = Vec::new();
        candidates.retain(|folder| {
            let new = !seen.contains(folder);
            seen.push(folder.clone());
            new
        });
        candidates
    }

    fn pg_config(&self) -> Option<PathBuf> {
        let output = Command::new(self.program("pg_config")?)
            .arg("--bindir")
            .output()
            .ok()?;
        let folder = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim_end());
        // Debian's client package has a pg_config that names a folder without a server.
        folder.join("postgres").is_file().then_some(folder)
    }

    fn installed_newest_first(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.installed) else {
            return Vec::new();
        };
        let mut versions: Vec<(u32, PathBuf)> = entries
            .filter_map(|entry| {
                let entry = entry.ok()?;
                let major = entry.file_name().to_str()?.parse().ok()?;
                Some((major, entry.path().join("bin")))
            })
            .filter(|(_, folder)| folder.join("postgres").is_file())
            .collect();
        versions.sort();
        versions
            .into_iter()
            .rev()
            .map(|(_, folder)| folder)
            .collect()
    }
}

/// The programs of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binaries {
    folder: PathBuf,
    major: u32,
}

impl Binaries {
    pub(super) fn find(places: &Places, user: &ServerUser) -> Result<Self, Error> {
        if let Some(folder) = &places.named {
            return Self::check(folder, user).map_err(|reason| Error::NamedFolder {
                folder: folder.clone(),
                reason,
            });
        }
        let mut tried = Vec::new();
        for folder in places.candidates() {
            match Self::check(&folder, user) {
                Ok(binaries) => return Ok(binaries),
                Err(reason) => tried.push(format!("{}: {reason}", folder.display())),
            }
        }
        if tried.is_empty() {
            tried.push("none is installed".to_owned());
        }
        match fetch::fetch(places, user) {
            Ok(binaries) => Ok(binaries),
            Err(reasons) => {
                tried.extend(reasons);
                Err(Error::NotFound { tried })
            }
        }
    }

    /// Runs both programs as the server's user, which also proves that it can reach them.
    pub(super) fn check(folder: &Path, user: &ServerUser) -> Result<Self, String> {
        let folder = fs::canonicalize(folder).map_err(|error| error.to_string())?;
        version(&folder, "initdb", user)?;
        let major = version(&folder, "postgres", user)?;
        if major < OLDEST_MAJOR {
            return Err(format!(
                "is PostgreSQL {major}, {OLDEST_MAJOR} or newer is needed"
            ));
        }
        Ok(Self { folder, major })
    }

    pub(super) fn major(&self) -> u32 {
        self.major
    }

    pub(super) fn initdb(&self) -> PathBuf {
        self.folder.join("initdb")
    }

    pub(super) fn postgres(&self) -> PathBuf {
        self.folder.join("postgres")
    }

    pub(super) fn tool(&self, name: impl AsRef<OsStr>) -> Option<PathBuf> {
        let file = self.folder.join(name.as_ref());
        file.is_file().then_some(file)
    }
}

fn version(folder: &Path, program: &str, user: &ServerUser) -> Result<u32, String> {
    let output = user
        .command(folder.join(program))
        .arg("--version")
        .output()
        .map_err(|error| format!("{program} does not run: {error}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} --version fails: {}", said.trim_end()));
    }
    major(&String::from_utf8_lossy(&output.stdout))
        .ok_or_else(|| format!("{program} --version gives no version"))
}

/// From `postgres (PostgreSQL) 15.18 (Debian …)` or `… 19beta1`.
fn major(answer: &str) -> Option<u32> {
    let after = answer.split_once("(PostgreSQL)")?.1.trim_start();
    let end = after
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(after.len());
    after[..end].parse().ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn pretend(folder: &Path, version: &str) {
        fs::create_dir_all(folder).unwrap();
        for program in ["initdb", "postgres"] {
            let file = folder.join(program);
            fs::write(
                &file,
                format!("#!/bin/sh\necho '{program} (PostgreSQL) {version}'\n"),
            )
            .unwrap();
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    fn places(root: &Path) -> Places {
        Places {
            named: None,
            path: OsString::new(),
            installed: root.join("installed"),
            caches: vec![],
        }
    }

    #[test]
    fn the_major_version_is_read_from_what_the_programs_say() {
        assert_eq!(
            major("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)\n"),
            Some(15)
        );
        assert_eq!(major("initdb (PostgreSQL) 19beta1"), Some(19));
        assert_eq!(major("postgres (PostgreSQL)"), None);
        assert_eq!(major("something else 15"), None);
    }

    #[test]
    fn the_search_goes_from_the_named_folder_over_the_path_to_the_newest_installed() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let user = ServerUser::Ourselves;
        let mut places = places(&root);
        pretend(&root.join("installed/9/bin"), "99.0");
        pretend(&root.join("installed/16/bin"), "16.2");
        let found = |places: &Places| Binaries::find(places, &user).unwrap().folder;
        assert_eq!(found(&places), root.join("installed/16/bin"));

        pretend(&root.join("real"), "17.1");
        fs::create_dir(root.join("links")).unwrap();
        symlink(root.join("real/postgres"), root.join("links/postgres")).unwrap();
        places.path = root.join("links").into_os_string();
        assert_eq!(found(&places), root.join("real"));

        pretend(&root.join("named"), "18.0");
        places.named = Some(root.join("named"));
        assert_eq!(found(&places), root.join("named"));

        places.named = Some(root.join("missing"));
        let error = Binaries::find(&places, &user).unwrap_err();
        assert!(error.to_string().contains("RISE_PG_BIN"), "{error}");
    }

    #[test]
    fn what_does_not_do_is_passed_over_and_named() {
        let temp = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(temp.path()).unwrap();
        let places = places(&root);
        let user = ServerUser::Ourselves;
        pretend(&root.join("installed/14/bin"), "14.9");
        let half = root.join("installed/17/bin");
        pretend(&half, "17.0");
        fs::remove_file(half.join("initdb")).unwrap();

        let error = Binaries::find(&places, &user).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("initdb does not run"), "{message}");
        assert!(message.contains("is PostgreSQL 14"), "{message}");
        assert!(error.hint().unwrap().contains("apt-get install postgresql"));

        pretend(&root.join("installed/15/bin"), "15.0");
        assert_eq!(Binaries::find(&places, &user).unwrap().major(), 15);
    }
}
