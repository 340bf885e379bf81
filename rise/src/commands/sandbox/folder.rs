//! The sandbox's folder: what other terminals need to join it, and what the services logged.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use uuid::Uuid;

use crate::exit::{Exit, Failure};

/// What the services and other terminals are told.
pub(in crate::commands) struct Variables {
    pub(super) database: String,
    pub(super) github_api: String,
    pub(super) webhook_secret: String,
    pub(super) trace_secret: String,
    pub(super) organization_key: String,
    pub(super) personal_key: String,
    pub(super) kubeconfig: PathBuf,
    pub(super) config: PathBuf,
    /// Laid over it, for the services.
    pub(super) overlay: String,
}

/// A folder that only its owner may enter; a temporary one goes with the sandbox.
pub(in crate::commands) struct Folder {
    path: PathBuf,
    temporary: bool,
}

impl Folder {
    pub(in crate::commands) fn open(kept: Option<&Path>) -> Result<Self, Failure> {
        let (path, temporary) = match kept {
            Some(path) => (path.to_owned(), false),
            None => (
                std::env::temp_dir().join(format!("rise-sandbox-{}", Uuid::new_v4())),
                true,
            ),
        };
        // PostgreSQL's own user must pass a kept folder to its data; what is secret below it is closed by itself.
        let mode = if temporary { 0o700 } else { 0o711 };
        fs::DirBuilder::new()
            .recursive(true)
            .mode(mode)
            .create(&path)
            .map_err(|error| cannot("create", &path, &error))?;
        let path = path
            .canonicalize()
            .map_err(|error| cannot("find", &path, &error))?;
        Ok(Self { path, temporary })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Takes back what other terminals source: nothing that it names answers any more.
    pub(super) fn remove_env(&self) {
        // Not there is as good; one that cannot be removed only misleads.
        let _ = fs::remove_file(self.env_path());
    }

    pub(super) fn env_path(&self) -> PathBuf {
        self.path.join("env")
    }

    /// A file for a service's log.
    pub(in crate::commands) fn log(&self, name: &str) -> Result<fs::File, Failure> {
        let path = self.path.join(format!("{name}.log"));
        private(&path).map_err(|error| cannot("write", &path, &error))
    }

    pub(super) fn write_kubeconfig(&self, text: &str) -> Result<PathBuf, Failure> {
        self.write("kubeconfig", text)
    }

    /// The configuration file in force: the given one, else an empty one for people to change.
    pub(in crate::commands) fn config(&self, given: Option<PathBuf>) -> Result<PathBuf, Failure> {
        match given {
            Some(path) => path
                .canonicalize()
                .map_err(|error| cannot("find", &path, &error)),
            None if self.path.join("rise.toml").exists() => Ok(self.path.join("rise.toml")),
            None => self.write(
                "rise.toml",
                "# Laid over the built-in configuration; see `rise config check`.\n",
            ),
        }
    }

    /// What another terminal sources to join.
    pub(super) fn write_env(
        &self,
        variables: &Variables,
        ghfe: &str,
        scheduler: &str,
    ) -> Result<(), Failure> {
        let pairs = [
            ("PROD", "false".to_owned()),
            ("POSTGRES_URL", variables.database.clone()),
            ("RISE_URL", ghfe.to_owned()),
            ("RISE_SCHEDULER_URL", scheduler.to_owned()),
            ("TRACE_API_SECRET", variables.trace_secret.clone()),
            ("GITHUB_API_URL", variables.github_api.clone()),
            ("KUBECONFIG", variables.kubeconfig.display().to_string()),
            ("RISE_CONFIG", variables.config.display().to_string()),
        ];
        let text: String = pairs
            .iter()
            .map(|(name, value)| format!("export {name}={}\n", quoted(value)))
            .collect();
        self.write("env", &text).map(drop)
    }

    pub(in crate::commands) fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let path = self.path.join(name);
        // Written beside and renamed, so that nobody ever reads half of it.
        let unfinished = self.path.join(format!("{name}.new"));
        private(&unfinished)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&unfinished, &path))
            .map_err(|error| cannot("write", &path, &error))?;
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if self.temporary {
            // What cannot be removed is in the system's temporary folder.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

fn private(path: &Path) -> std::io::Result<fs::File> {
    fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
}

fn quoted(value: &str) -> String {
    format!("'{}'", value.replace('\'', r"'\''"))
}

fn cannot(what: &str, path: &Path, error: &std::io::Error) -> Failure {
    Failure::new(
        Exit::Failed,
        format!("cannot {what} {}: {error}", path.display()),
    )
    .hint("choose another folder with --data, or make room in the temporary folder")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_survive_the_shell() {
        assert_eq!(quoted("a'b c"), r"'a'\''b c'");
    }

    #[test]
    fn a_temporary_folder_goes_and_a_kept_one_stays() {
        let folder = Folder::open(None).expect("a folder");
        let path = folder.path.clone();
        assert!(path.is_dir());
        drop(folder);
        assert!(!path.exists());
        let kept = std::env::temp_dir().join(format!("rise-test-{}", Uuid::new_v4()));
        drop(Folder::open(Some(&kept)).expect("a folder"));
        assert!(kept.is_dir());
        fs::remove_dir(&kept).expect("empty");
    }
}
