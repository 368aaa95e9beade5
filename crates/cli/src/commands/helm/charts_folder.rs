//! The `charts/` folder of a chart, filled from repositories as its Chart.yaml or Chart.lock says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git::{ChartRepositories, ChartRepository, ChartRepositoryOptions, Credentials};
use object::MemoryTree;
use render::helm::{self, Chart, Dependency, DependencyStatus, Lock};

use super::remote_chart::Fetched;
use super::repository_file::NamedRepository;
use super::{surroundings, write};
use crate::failure::Failure;
use crate::folder::Place;
use crate::output;

/// A chart whose dependencies are to be fetched.
pub(crate) struct Charts {
    /// As the user wrote it.
    path: PathBuf,
    place: Place,
    chart: Chart,
    sources: Sources,
}

/// Where charts come from.
pub(crate) struct Sources {
    pub(crate) named: Vec<NamedRepository>,
    /// For registries.
    pub(crate) login: Credentials,
    pub(crate) options: ChartRepositoryOptions,
    pub(crate) repositories: ChartRepositories,
}

/// A packed chart for `charts/`.
struct Packed {
    file: String,
    bytes: Arc<[u8]>,
}

impl Charts {
    /// # Errors
    /// When there is no chart in the folder.
    pub(crate) fn open(path: &Path, sources: Sources) -> Result<Self, Failure> {
        if path.is_file() {
            return Err(Failure::new("only unpacked charts can be updated").hint("give the chart's folder"));
        }
        let place = Place::open(path)?;
        let chart = helm::load(&place.tree, &place.folder).map_err(|error| place.chart_failure(error))?;
        Ok(Self { path: path.to_owned(), place, chart, sources })
    }

    /// Fetches what the lock names; without a lock as [`Charts::update`].
    ///
    /// # Errors
    /// When the lock belongs to other dependencies, or something cannot be fetched. Then nothing is changed.
    pub(crate) async fn build(&self) -> Result<(), Failure> {
        let Some(lock) = self.lock()? else { return self.update().await };
        let written = self.chart.metadata.dependencies.clone().unwrap_or_default();
        let required = self.with_addresses(&written)?;
        let old = self.is_old();
        if !lock.fits(&required, old.then_some(written.as_slice())) {
            let (lock, of) =
                if old { ("requirements.lock", "requirements.yaml") } else { ("Chart.lock", "Chart.yaml") };
            let message = format!("the lock file ({lock}) is out of sync with the dependencies file ({of})");
            return Err(Failure::new(message).hint("run: gantline helm dependency update"));
        }
        self.fill(&lock.dependencies).await.map(drop)
    }

    /// Chooses versions, fetches them, and writes the lock if it says something new.
    ///
    /// # Errors
    /// When a dependency cannot be had. Then nothing is changed.
    pub(crate) async fn update(&self) -> Result<(), Failure> {
        let Some(written) = &self.chart.metadata.dependencies else { return Ok(()) };
        let required = self.with_addresses(written)?;
        let old = self.lock()?;
        let locked = self.fill(&required).await?;
        let digest = helm::lock_digest(&required, &locked);
        if old.is_some_and(|old| old.digest == digest) {
            return Ok(());
        }
        self.write_lock(&Lock { generated: now(), digest, dependencies: locked })
    }

    /// Whether `charts/` lacks something.
    ///
    /// # Errors
    /// When the folder cannot be read.
    pub(crate) fn lacks_some(&self) -> Result<bool, Failure> {
        for dependency in self.chart.metadata.dependencies.iter().flatten() {
            let status = helm::dependency_status(&self.place.tree, &self.chart, dependency)
                .map_err(|error| self.place.chart_failure(error))?;
            if status == DependencyStatus::Missing {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn lock(&self) -> Result<Option<Lock>, Failure> {
        helm::lock(&self.place.tree, &self.place.folder).map_err(|error| self.place.chart_failure(error))
    }

    fn is_old(&self) -> bool {
        self.chart.metadata.api_version == "v1"
    }

    /// The dependencies with the addresses of repositories that they name (`@name`, `alias:name`).
    fn with_addresses(&self, written: &[Dependency]) -> Result<Vec<Dependency>, Failure> {
        let addressed = |dependency: &Dependency| {
            let repository = dependency.repository.as_str();
            let Some(name) = repository.strip_prefix('@').or_else(|| repository.strip_prefix("alias:")) else {
                return if repository.is_empty() || repository.contains("://") {
                    Ok(dependency.clone())
                } else {
                    Err(unknown(repository))
                };
            };
            let known =
                self.sources.named.iter().find(|known| known.name == name).ok_or_else(|| unknown(repository))?;
            Ok(Dependency { repository: known.url.clone(), ..dependency.clone() })
        };
        written.iter().map(addressed).collect()
    }

    /// Asks for the indexes that are needed, and says so as helm does.
    async fn refresh(&self, wanted: &[Dependency]) -> Result<(), Failure> {
        let urls = wanted.iter().map(|d| d.repository.as_str()).filter(|url| url.starts_with("http"));
        let urls: BTreeSet<&str> = urls.collect();
        let (named, unnamed): (Vec<&str>, Vec<&str>) = urls.into_iter().partition(|url| self.named(url).is_some());
        if !unnamed.is_empty() {
            output::line("Getting updates for unmanaged Helm repositories...");
        }
        for url in &unnamed {
            self.repository(url)?.refresh().await?;
            output::line(format!("...Successfully got an update from the {url:?} chart repository"));
        }
        if !named.is_empty() {
            output::line("Hang tight while we grab the latest from your chart repositories...");
        }
        for url in &named {
            self.repository(url)?.refresh().await?;
            let name = self.named(url).map_or(*url, |known| known.name.as_str());
            output::line(format!("...Successfully got an update from the {name:?} chart repository"));
        }
        if !named.is_empty() {
            output::line("Update Complete. ⎈Happy Helming!⎈");
        }
        Ok(())
    }

    /// Fetches everything, then changes `charts/`. What was chosen comes back.
    async fn fill(&self, wanted: &[Dependency]) -> Result<Vec<Dependency>, Failure> {
        if self.sources.options.index_age != Duration::MAX {
            self.refresh(wanted).await?;
        }
        output::line(format!("Saving {} charts", wanted.len()));
        let (mut locked, mut packed) = (Vec::new(), Vec::<Packed>::new());
        for dependency in wanted {
            helm::check_constraint(dependency)?;
            let (version, found) = self.one(dependency).await?;
            let (name, repository) = (dependency.name.clone(), dependency.repository.clone());
            locked.push(Dependency { name, repository, version, ..Dependency::default() });
            packed.extend(found.filter(|found| packed.iter().all(|known| known.file != found.file)));
        }
        self.replace(&packed, &locked)?;
        Ok(locked)
    }

    /// The version of a dependency, and its packed chart unless it lies in `charts/` already.
    async fn one(&self, dependency: &Dependency) -> Result<(String, Option<Packed>), Failure> {
        let Dependency { name, repository, .. } = dependency;
        if repository.is_empty() {
            output::line(format!(
                "Dependency {name} did not declare a repository. Assuming it exists in the charts directory"
            ));
            let place = self.path.join("charts").join(name);
            local_version(&place, dependency)?;
            return Ok((dependency.version.clone(), None));
        }
        if let Some(path) = repository.strip_prefix("file://") {
            return self.packed_folder(path, dependency).map(|(version, packed)| (version, Some(packed)));
        }
        let repository = self.repository(&dependency.repository)?;
        let version = repository.resolve(name, &dependency.version).await?;
        output::line(format!("Downloading {name} from repo {}", dependency.repository));
        let chosen = version.version.clone();
        let fetched = Fetched::pull(&repository, version).await?;
        output::raw(&fetched.report().unwrap_or_default());
        let packed = Packed { file: fetched.file_name(), bytes: fetched.bytes };
        check(&packed, name)?;
        Ok((chosen, Some(packed)))
    }

    fn packed_folder(&self, path: &str, dependency: &Dependency) -> Result<(String, Packed), Failure> {
        let folder = self.path.join(path);
        let version = local_version(&folder, dependency)?;
        let place = Place::open(&folder)?;
        let (file, bytes) = helm::pack(&place.tree, &place.folder).map_err(|error| place.chart_failure(error))?;
        Ok((version, Packed { file, bytes: bytes.into() }))
    }

    /// Registries get the command's login, others the one in helm's list of repositories.
    fn repository(&self, url: &str) -> Result<ChartRepository, Failure> {
        let Sources { login, options, repositories, .. } = &self.sources;
        let opened = match self.named(url) {
            _ if url.starts_with("oci://") => repositories.open_with(url, login, options),
            None => repositories.open_with(url, &Credentials::default(), options),
            Some(known) => {
                let options = ChartRepositoryOptions { pass_credentials: known.pass_credentials, ..options.clone() };
                repositories.open_with(url, &known.credentials, &options)
            }
        };
        Ok(opened?)
    }

    fn named(&self, url: &str) -> Option<&NamedRepository> {
        let mut named = self.sources.named.iter();
        named.find(|known| known.url.trim_end_matches('/') == url.trim_end_matches('/'))
    }

    /// Puts the packed charts into `charts/`, and takes out packed charts that are no longer wanted.
    fn replace(&self, packed: &[Packed], locked: &[Dependency]) -> Result<(), Failure> {
        let charts = self.path.join("charts");
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", charts.display()));
        let kept: Vec<&str> = packed.iter().map(|packed| packed.file.as_str()).collect();
        let outdated = helm::outdated(&self.place.tree, &self.place.folder, &kept, locked)
            .map_err(|error| self.place.chart_failure(error))?;
        std::fs::create_dir_all(&charts).map_err(failed)?;
        let files: Vec<(PathBuf, &[u8])> =
            packed.iter().map(|Packed { file, bytes }| (charts.join(file), bytes.as_ref())).collect();
        write::files(&files)?;
        output::line("Deleting outdated charts");
        for (file, reason) in outdated.unreadable {
            let file = charts.join(file);
            output::line(format!("Could not verify {} for deletion: {reason} (Skipping)", file.display()));
        }
        outdated.files.iter().try_for_each(|file| std::fs::remove_file(charts.join(file))).map_err(failed)
    }

    fn write_lock(&self, lock: &Lock) -> Result<(), Failure> {
        let path = self.path.join(if self.is_old() { "requirements.lock" } else { "Chart.lock" });
        if path.is_symlink() {
            let message = format!("{} is a symbolic link: it is not written through", path.display());
            return Err(Failure::new(message).hint("put a file in its place"));
        }
        write::file(&path, lock.to_yaml().as_bytes())
    }
}

fn unknown(repository: &str) -> Failure {
    let failure = Failure::new(format!("no repository definition for {repository}"));
    failure.hint("add it with helm repo add, or write its address (https://…, oci://…) into Chart.yaml")
}

fn unfit(dependency: &Dependency, version: &str) -> Failure {
    let Dependency { name, version: wanted, .. } = dependency;
    Failure::new(format!("dependency {name} at version {version} does not satisfy the constraint {wanted}"))
        .hint("change the constraint in Chart.yaml, or the chart")
}

/// The version of the chart in a folder of this machine, which fulfils the dependency.
fn local_version(folder: &Path, dependency: &Dependency) -> Result<String, Failure> {
    if !folder.is_dir() {
        let message = format!("directory {} not found", folder.display());
        return Err(Failure::new(message).hint(format!("the dependency {} names it in Chart.yaml", dependency.name)));
    }
    let place = Place::open(folder)?;
    let chart = helm::load(&place.tree, &place.folder).map_err(|error| place.chart_failure(error))?;
    let version = chart.metadata.version;
    if helm::fulfils(dependency, &version) { Ok(version) } else { Err(unfit(dependency, &version)) }
}

/// What was fetched is a chart of that name.
fn check(packed: &Packed, name: &str) -> Result<(), Failure> {
    let tree = MemoryTree::default().file(&packed.file, &packed.bytes).tree();
    let chart = helm::load(&tree, &packed.file)?;
    if chart.name() == name {
        return Ok(());
    }
    Err(Failure::new(format!("{}: the chart is called {}, not {name}", packed.file, chart.name())))
}

fn now() -> String {
    let now = surroundings();
    let nanoseconds = i32::try_from(now.nanoseconds).unwrap_or_default();
    jiff::Timestamp::new(now.unix_seconds, nanoseconds).unwrap_or_default().to_string()
}

#[cfg(test)]
mod tests {
    use sha2::{Digest, Sha256};
    use test_support::{Answer, WebServer};

    use super::*;

    const LOCAL: &str = "apiVersion: v2\nname: local\nversion: 1.2.0\n";

    struct Folder(tempfile::TempDir);

    impl Folder {
        /// A chart `a` beside a chart `local`.
        fn new(dependencies: &str) -> Self {
            let folder = Self(tempfile::tempdir().unwrap());
            folder.write(
                "a/Chart.yaml",
                &format!("apiVersion: v2\nname: a\nversion: 0.1.0\ndependencies:\n{dependencies}"),
            );
            folder.write("local/Chart.yaml", LOCAL);
            folder
        }

        fn write(&self, path: &str, text: &str) {
            let path = self.0.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }

        fn read(&self, path: &str) -> String {
            std::fs::read_to_string(self.0.path().join(path)).unwrap_or_default()
        }

        fn charts(&self, named: &[NamedRepository]) -> Result<Charts, Failure> {
            let _ = rustls::crypto::ring::default_provider().install_default();
            let sources = Sources {
                named: named.to_vec(),
                login: Credentials::default(),
                options: ChartRepositoryOptions::default(),
                repositories: ChartRepositories::new(self.0.path().join("cache")),
            };
            Charts::open(&self.0.path().join("a"), sources)
        }

        /// Everything in the chart's folder.
        fn files(&self) -> Vec<String> {
            let list = |path: &str| {
                let entries = std::fs::read_dir(self.0.path().join(path)).into_iter().flatten().flatten();
                entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
            };
            let inner = list("a/charts").into_iter().map(|name| format!("charts/{name}"));
            let mut files: Vec<String> = list("a").into_iter().filter(|name| name != "charts").chain(inner).collect();
            files.sort();
            files
        }
    }

    /// A repository with the chart `kid`; its index tells the digest of `told`.
    fn repository(told: Option<&[u8]>) -> WebServer {
        let head = "apiVersion: v2\nname: kid\nversion: 2.0.0\n";
        let tree = MemoryTree::default().file("Chart.yaml", head).tree();
        let tgz = helm::pack(&tree, "").unwrap().1;
        let digest = format!("{:x}", Sha256::digest(told.unwrap_or(&tgz)));
        let index = format!(
            "entries:\n  kid:\n  - name: kid\n    version: 2.0.0\n    digest: {digest}\n    urls: [kid-2.0.0.tgz]\n"
        );
        WebServer::start(move |request| match (request.path.as_str(), request.header("authorization")) {
            (_, None) => Answer::status(401),
            ("/index.yaml", _) => Answer::ok(index.clone()),
            ("/kid-2.0.0.tgz", _) => Answer::ok(tgz.clone()),
            _ => Answer::status(404),
        })
    }

    fn named(server: &WebServer) -> NamedRepository {
        let credentials = Credentials { username: "ann".into(), ..Credentials::default() };
        NamedRepository { name: "acme".into(), url: server.url(), credentials, pass_credentials: false }
    }

    const BOTH: &str = "- {name: kid, version: ^2, repository: '@acme'}\n\
        - {name: local, version: ^1, repository: 'file://../local'}\n";

    #[tokio::test]
    async fn an_update_is_built_again_from_its_lock() {
        let (folder, server) = (Folder::new(BOTH), repository(None));
        let named = [named(&server)];
        folder.write("a/charts/_notes.txt", "mine");
        folder.charts(&named).unwrap().update().await.unwrap();
        let files = ["Chart.lock", "Chart.yaml", "charts/_notes.txt", "charts/kid-2.0.0.tgz", "charts/local-1.2.0.tgz"];
        assert_eq!(folder.files(), files);
        let lock = folder.read("a/Chart.lock");
        assert!(lock.contains("version: 2.0.0") && lock.contains(&server.url()), "{lock}");

        // what nobody asks for any more goes; the same choice leaves the lock alone
        std::fs::rename(
            folder.0.path().join("a/charts/local-1.2.0.tgz"),
            folder.0.path().join("a/charts/local-1.1.0.tgz"),
        )
        .unwrap();
        folder.charts(&named).unwrap().update().await.unwrap();
        assert_eq!((folder.files(), folder.read("a/Chart.lock")), (files.map(str::to_owned).to_vec(), lock.clone()));

        std::fs::remove_dir_all(folder.0.path().join("a/charts")).unwrap();
        folder.charts(&named).unwrap().build().await.unwrap();
        assert_eq!(folder.files(), [files[0], files[1], files[3], files[4]]);

        let chart = folder.read("a/Chart.yaml").replace("^1", "^1.1");
        folder.write("a/Chart.yaml", &chart);
        let failure = folder.charts(&named).unwrap().build().await.unwrap_err();
        assert!(failure.message.contains("(Chart.lock) is out of sync"), "{}", failure.message);
        assert_eq!(folder.read("a/Chart.lock"), lock);
    }

    /// Nothing changes in the chart's folder, and the failure says why.
    async fn check_failure(dependencies: &str, server: &WebServer, part: &str) {
        let folder = Folder::new(dependencies);
        let failure = match folder.charts(&[named(server)]) {
            Ok(charts) => charts.update().await.unwrap_err(),
            Err(failure) => failure,
        };
        assert!(failure.message.contains(part), "{part}: {}", failure.message);
        assert_eq!(folder.files(), ["Chart.yaml"], "{part}");
    }

    #[tokio::test]
    async fn what_fails_changes_nothing() {
        let (good, bad) = (repository(None), repository(Some(b"other")));
        let local = "- {name: local, version: ^1, repository: 'file://../local'}\n";
        let after_local = |text: &str| format!("{local}{text}\n");
        check_failure(BOTH, &bad, "is not what was announced").await;
        check_failure(&after_local("- {name: kid, version: ^3, repository: '@acme'}"), &good, "no version of kid")
            .await;
        check_failure(&after_local("- {name: kid, repository: '@acme'}"), &good, "invalid version/constraint").await;
        check_failure(&after_local("- {name: kid, version: '*', repository: '@x'}"), &good, "definition for @x").await;
        check_failure(&after_local("- {name: kid, version: '*', repository: stable}"), &good, "for stable").await;
        check_failure(&after_local("- {name: kid, version: '*'}"), &good, "not found").await;
        check_failure(&local.replace("^1", "^2"), &good, "local at version 1.2.0 does not satisfy").await;
        check_failure(&local.replace("../local", "../none"), &good, "a/../none not found").await;
        // its address does not give away the login of the repository with that name
        let address = format!("- {{name: kid, version: '*', repository: '{}'}}\n", bad.url());
        check_failure(&address, &good, "refuses the credentials").await;
    }
}
