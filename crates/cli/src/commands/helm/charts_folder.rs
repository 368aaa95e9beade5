//! The `charts/` folder of a chart, filled from repositories as its Chart.yaml or Chart.lock says.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git::{ChartRepositories, ChartRepository, ChartRepositoryOptions, Credentials};
use object::MemoryTree;
use render::helm::{self, Chart, Dependency, Lock};

use super::remote_chart::{Fetched, repositories};
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
    named: Vec<NamedRepository>,
    login: Credentials,
    options: ChartRepositoryOptions,
    cache: ChartRepositories,
}

/// A packed chart for `charts/`.
struct Packed {
    file: String,
    bytes: Arc<[u8]>,
}

impl Charts {
    /// # Errors
    /// When there is no chart in the folder.
    pub(crate) fn open(
        path: &Path,
        named: Vec<NamedRepository>,
        login: Credentials,
        plain_http: bool,
        skip_refresh: bool,
    ) -> Result<Self, Failure> {
        if path.is_file() {
            return Err(Failure::new("only unpacked charts can be updated").hint("give the chart's folder"));
        }
        let place = Place::open(path)?;
        let chart = helm::load(&place.tree, &place.folder).map_err(|error| place.failure(&error.problem))?;
        // one command sees one state of a repository
        let index_age = if skip_refresh { Duration::MAX } else { Duration::from_secs(3600) };
        let options = ChartRepositoryOptions { plain_http, index_age, ..ChartRepositoryOptions::default() };
        Ok(Self { path: path.to_owned(), place, chart, named, login, options, cache: repositories() })
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

    fn lock(&self) -> Result<Option<Lock>, Failure> {
        helm::lock(&self.place.tree, &self.place.folder).map_err(|error| self.place.failure(&error.problem))
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
            let known = self.named.iter().find(|known| known.name == name).ok_or_else(|| unknown(repository))?;
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
        if self.options.index_age != Duration::MAX {
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
            let version = local_version(&place, dependency)?;
            helm::fulfils(dependency, &version).then_some(()).ok_or_else(|| unfit(dependency, &version))?;
            return Ok((dependency.version.clone(), None));
        }
        if let Some(path) = repository.strip_prefix("file://") {
            return self.packed_folder(path, dependency).map(|(version, packed)| (version, Some(packed)));
        }
        let repository = self.repository(&dependency.repository)?;
        let version = repository.resolve(name, &dependency.version).await?;
        output::line(format!("Downloading {name} from repo {}", dependency.repository));
        let bytes = repository.pull(&version).await?;
        let chosen = version.version.clone();
        let fetched = Fetched::new(version, bytes);
        output::raw(&fetched.report().unwrap_or_default());
        let packed = Packed { file: fetched.file_name(), bytes: fetched.bytes };
        check(&packed, name)?;
        Ok((chosen, Some(packed)))
    }

    fn packed_folder(&self, path: &str, dependency: &Dependency) -> Result<(String, Packed), Failure> {
        let folder = self.path.join(path);
        let version = local_version(&folder, dependency)?;
        helm::fulfils(dependency, &version).then_some(()).ok_or_else(|| unfit(dependency, &version))?;
        let place = Place::open(&folder)?;
        let (file, bytes) = helm::pack(&place.tree, &place.folder).map_err(|error| place.failure(&error.problem))?;
        Ok((version, Packed { file, bytes: bytes.into() }))
    }

    /// Registries get the command's login, others the one in helm's list of repositories.
    fn repository(&self, url: &str) -> Result<ChartRepository, Failure> {
        if url.starts_with("oci://") {
            return Ok(self.cache.open_with(url, &self.login, &self.options)?);
        }
        match self.named(url) {
            Some(known) => {
                let options =
                    ChartRepositoryOptions { pass_credentials: known.pass_credentials, ..self.options.clone() };
                Ok(self.cache.open_with(url, &known.credentials, &options)?)
            }
            None => Ok(self.cache.open_with(url, &Credentials::default(), &self.options)?),
        }
    }

    fn named(&self, url: &str) -> Option<&NamedRepository> {
        self.named.iter().find(|known| known.url.trim_end_matches('/') == url.trim_end_matches('/'))
    }

    /// Puts the packed charts into `charts/`, and takes out packed charts that are no longer wanted.
    fn replace(&self, packed: &[Packed], locked: &[Dependency]) -> Result<(), Failure> {
        let charts = self.path.join("charts");
        let failed = |error: std::io::Error| Failure::new(format!("{}: {error}", charts.display()));
        let kept: Vec<&str> = packed.iter().map(|packed| packed.file.as_str()).collect();
        let outdated = helm::outdated(&self.place.tree, &self.place.folder, &kept, locked)
            .map_err(|error| self.place.failure(&error.problem))?;
        std::fs::create_dir_all(&charts).map_err(failed)?;
        for Packed { file, bytes } in packed {
            write::file(&charts.join(file), bytes)?;
        }
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

/// The version of the chart in a folder of this machine.
fn local_version(folder: &Path, dependency: &Dependency) -> Result<String, Failure> {
    if !folder.is_dir() {
        let message = format!("directory {} not found", folder.display());
        return Err(Failure::new(message).hint(format!("the dependency {} names it in Chart.yaml", dependency.name)));
    }
    let place = Place::open(folder)?;
    let chart = helm::load(&place.tree, &place.folder).map_err(|error| place.failure(&error.problem))?;
    Ok(chart.metadata.version)
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
