//! Charts that are somewhere else: how they are named, found and fetched.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use git::{ChartRepository, ChartRepositoryOptions, ChartVersion, Credentials, Secret};
use object::MemoryTree;

use super::charts_folder::{Charts, Sources};
use super::repository_file;
use crate::failure::Failure;
use crate::folder::Place;
use crate::remotes::chart_repositories;

/// Why nothing is verified by signatures.
pub(crate) const NO_PROVENANCE: &str =
    "provenance files are not read; the digest of the index or registry is checked always";

/// Which chart of which repository, and how to log in there.
#[derive(Debug, Default, Args)]
pub(crate) struct ChartFlags {
    /// Version of the chart, or a constraint such as ^1.2.0; without it the newest release
    #[arg(long, default_value = "", hide_default_value = true, value_name = "VERSION")]
    pub(crate) version: String,
    /// URL of the repository with the chart
    #[arg(long, value_name = "URL")]
    repo: Option<String>,
    #[command(flatten)]
    login: LoginFlags,
    /// Send name and password to other hosts, too, where the repository's index leads there
    #[arg(long)]
    pass_credentials: bool,
    /// Take pre-releases, too: --version '>0.0.0-0'
    #[arg(long)]
    devel: bool,
    /// helm's list of repositories with names
    #[arg(long, value_name = "FILE")]
    repository_config: Option<PathBuf>,
}

/// How to log in to repositories of charts.
#[derive(Debug, Default, Args)]
pub(crate) struct LoginFlags {
    /// Name to log in with at the repository
    #[arg(long, default_value = "", hide_default_value = true, value_name = "NAME")]
    username: String,
    /// Password to log in with
    #[arg(long, default_value = "", hide_default_value = true)]
    password: String,
    /// Certificate authorities to trust beside the system's, in PEM
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Do not check certificates
    #[arg(long)]
    insecure_skip_tls_verify: bool,
    /// Ask registries by plain HTTP
    #[arg(long)]
    pub(crate) plain_http: bool,
    #[command(flatten)]
    refused: RefusedLogin,
}

/// Flags of helm for what is not done here: they are understood, so that the answer can say why not.
#[derive(Debug, Default, Args)]
struct RefusedLogin {
    #[arg(long, hide = true)]
    verify: bool,
    /// Without effect, as nothing is verified with it
    #[arg(long, hide = true)]
    keyring: Option<String>,
    #[arg(long, hide = true)]
    cert_file: Option<String>,
    #[arg(long, hide = true)]
    key_file: Option<String>,
}

impl LoginFlags {
    /// # Errors
    /// When a flag is refused, or a file cannot be read.
    pub(crate) fn credentials(&self) -> Result<Credentials, Failure> {
        let RefusedLogin { verify, cert_file, key_file, .. } = &self.refused;
        let by_password = "repositories are logged in to by name and password";
        Failure::refuse(&[
            (*verify, "--verify", NO_PROVENANCE),
            (cert_file.is_some(), "--cert-file", by_password),
            (key_file.is_some(), "--key-file", by_password),
        ])?;
        let pem = |path: &PathBuf| {
            std::fs::read_to_string(path).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
        };
        Ok(Credentials {
            username: self.username.clone(),
            password: Secret::new(&self.password),
            ca_pem: self.ca_file.as_ref().map(pem).transpose()?.unwrap_or_default(),
            insecure: self.insecure_skip_tls_verify,
            ..Credentials::default()
        })
    }
}

/// A chart out of a repository.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) version: ChartVersion,
    /// The packed chart.
    pub(crate) bytes: Arc<[u8]>,
}

impl Fetched {
    /// # Errors
    /// When it cannot be fetched, or is not what the repository announced.
    pub(crate) async fn pull(repository: &ChartRepository, version: ChartVersion) -> Result<Self, Failure> {
        let bytes = repository.pull(&version).await?;
        Ok(Self { version, bytes })
    }

    /// The name of the packed chart's file: what the repository calls it.
    pub(crate) fn file_name(&self) -> String {
        let own = format!("{}.tgz", self.version.name().replace('/', "-"));
        let url = self.version.urls.first().filter(|url| !url.starts_with("oci://"));
        let path = url.map(|url| url.split(['?', '#']).next().unwrap_or_default());
        let name = path.map(object::path::file_name).filter(|name| name.ends_with(".tgz") && !name.contains('%'));
        name.map_or(own, str::to_owned)
    }

    /// What helm says of a chart out of a registry.
    pub(crate) fn report(&self) -> Option<String> {
        let digest = self.version.manifest.as_deref()?;
        let reference = self.version.urls.first()?.strip_prefix("oci://")?;
        let mut report = format!("Pulled: {reference}\nDigest: {digest}\n");
        if reference.contains('_') {
            report.push_str(&format!(
                "{reference} contains an underscore: registries have no + in tags, so versions are written with _ there.\n"
            ));
        }
        Some(report)
    }
}

impl ChartFlags {
    /// The chart that `name` means: a folder or file of this machine, else one that is fetched.
    ///
    /// # Errors
    /// When there is no such chart.
    pub(crate) async fn locate(&self, name: &str) -> Result<(Place, Option<String>), Failure> {
        let name = name.trim();
        let path = std::path::Path::new(name);
        if self.repo.is_none() {
            if path.exists() {
                return Ok((Place::open(path)?, None));
            }
            if path.is_absolute() || name.starts_with('.') {
                return Err(Failure::new(format!("path {name:?} not found")));
            }
        }
        let fetched = self.fetch(name).await?;
        let file = fetched.file_name();
        let tree = MemoryTree::default().file(&file, &fetched.bytes).tree();
        let root = std::env::current_dir().unwrap_or_default();
        Ok((Place { tree, folder: file, root }, fetched.report()))
    }

    /// Fills `charts/` of a chart in a folder if something is missing there.
    ///
    /// # Errors
    /// When a dependency cannot be had.
    pub(crate) async fn complete(&self, name: &str) -> Result<(), Failure> {
        let path = std::path::Path::new(name);
        if self.repo.is_some() || !path.is_dir() {
            return Ok(());
        }
        let sources = Sources {
            named: repository_file::read(self.repository_config.as_ref())?,
            login: self.login.credentials()?,
            options: self.options(false),
            repositories: chart_repositories(),
        };
        let charts = Charts::open(path, sources)?;
        if charts.lacks_some()? { charts.update().await } else { Ok(()) }
    }

    /// Fetches `[repo/]chart`, `oci://…` or a URL.
    ///
    /// # Errors
    /// When the chart cannot be found or fetched.
    pub(crate) async fn fetch(&self, name: &str) -> Result<Fetched, Failure> {
        let constraint = match self.version.trim() {
            "" if self.devel => ">0.0.0-0",
            version => version,
        };
        let credentials = self.login.credentials()?;
        match (&self.repo, name) {
            (Some(url), chart) => self.in_repository(url, chart, constraint, &credentials, false).await,
            (None, name) if name.starts_with("oci://") => self.in_registry(name, constraint, &credentials).await,
            (None, name) if name.contains("://") => self.at_url(name, &credentials).await,
            (None, name) => self.in_named(name, constraint, credentials).await,
        }
    }

    fn options(&self, pass_credentials: bool) -> ChartRepositoryOptions {
        ChartRepositoryOptions {
            pass_credentials: self.pass_credentials || pass_credentials,
            plain_http: self.login.plain_http,
            ..ChartRepositoryOptions::default()
        }
    }

    async fn in_repository(
        &self,
        url: &str,
        chart: &str,
        constraint: &str,
        credentials: &Credentials,
        pass_credentials: bool,
    ) -> Result<Fetched, Failure> {
        let repository = chart_repositories().open_with(url, credentials, &self.options(pass_credentials))?;
        let version = repository.resolve(chart, constraint).await?;
        Fetched::pull(&repository, version).await
    }

    async fn in_registry(&self, name: &str, constraint: &str, login: &Credentials) -> Result<Fetched, Failure> {
        let reference = Reference::parse(name)?;
        let repository = chart_repositories().open_with(&reference.registry, login, &self.options(false))?;
        let version = match (&reference.tag, &reference.digest) {
            (Some(tag), _) if !constraint.is_empty() && tag != constraint => {
                let message = format!("chart reference and version mismatch: {constraint} is not {tag}");
                return Err(Failure::usage(message).hint("leave --version out, or the tag"));
            }
            (_, Some(digest)) => repository.resolve(&reference.chart, digest).await?,
            (Some(tag), None) => repository.resolve(&reference.chart, tag).await?,
            (None, None) => repository.resolve(&reference.chart, constraint).await?,
        };
        Fetched::pull(&repository, version).await
    }

    /// A packed chart by its own address.
    async fn at_url(&self, url: &str, credentials: &Credentials) -> Result<Fetched, Failure> {
        let repository = chart_repositories().open_with(url, credentials, &self.options(false))?;
        let file = object::path::file_name(url.split(['?', '#']).next().unwrap_or_default());
        let version = ChartVersion {
            chart: file.trim_end_matches(".tgz").to_owned(),
            version: self.version.clone(),
            digest: None,
            urls: vec![url.to_owned()],
            manifest: None,
        };
        Fetched::pull(&repository, version).await
    }

    async fn in_named(&self, name: &str, constraint: &str, login: Credentials) -> Result<Fetched, Failure> {
        let Some((repository, chart)) = name.split_once('/') else {
            let message = format!("non-absolute URLs should be in form of repo_name/path_to_chart, got: {name}");
            return Err(
                Failure::new(message).hint("name a folder or a .tgz that exists, oci://host/chart, or --repo URL")
            );
        };
        let known = repository_file::read(self.repository_config.as_ref())?;
        let Some(known) = known.into_iter().find(|known| known.name == repository) else {
            let message = format!("repo {repository} not found");
            return Err(Failure::new(message).hint("add it with helm repo add, or give its address with --repo URL"));
        };
        let credentials = if login == Credentials::default() { known.credentials } else { login };
        self.in_repository(&known.url, chart, constraint, &credentials, known.pass_credentials).await
    }
}

/// `oci://host/path/chart[:tag][@digest]`
#[derive(Debug)]
struct Reference {
    registry: String,
    chart: String,
    tag: Option<String>,
    digest: Option<String>,
}

impl Reference {
    fn parse(text: &str) -> Result<Self, Failure> {
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.to_owned())),
            None => (text, None),
        };
        let (rest, tag) = match rest.rsplit_once(':') {
            Some((rest, tag)) if !tag.contains('/') => (rest, Some(tag.to_owned())),
            _ => (rest, None),
        };
        match rest.rsplit_once('/') {
            Some((registry, chart)) if !chart.is_empty() && registry.len() > "oci://".len() => {
                Ok(Self { registry: registry.to_owned(), chart: chart.to_owned(), tag, digest })
            }
            _ => Err(Failure::usage(format!("{text}: this names no chart: write oci://host/path/chart"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references() {
        let parts = |text: &str| match Reference::parse(text) {
            Ok(r) => format!("{} {} {:?} {:?}", r.registry, r.chart, r.tag, r.digest),
            Err(failure) => failure.message,
        };
        assert_eq!(parts("oci://h:5000/a/b"), "oci://h:5000/a b None None");
        assert_eq!(parts("oci://h/b:1.0.0+x"), "oci://h b Some(\"1.0.0+x\") None");
        assert_eq!(parts("oci://h/b:1@sha256:ab"), "oci://h b Some(\"1\") Some(\"sha256:ab\")");
        for text in ["oci://h", "oci://h:5000", "oci://h/"] {
            assert!(parts(text).contains("names no chart"), "{text}");
        }
    }

    #[test]
    fn file_names_stay_names() {
        for (url, name) in [
            ("https://h/x/kid-1.0.0.tgz?token=1", "kid-1.0.0.tgz"),
            ("kid-1.0.0.tgz", "kid-1.0.0.tgz"),
            ("https://h/x/..%2f..%2fkid.tgz", "a-1.0.0.tgz"),
            ("https://h/download/1", "a-1.0.0.tgz"),
            ("oci://h/a/b:1.0.0", "a-1.0.0.tgz"),
        ] {
            let version = ChartVersion {
                chart: "a".into(),
                version: "1.0.0".into(),
                digest: None,
                urls: vec![url.into()],
                manifest: None,
            };
            let fetched = Fetched { version, bytes: Arc::from([]) };
            assert_eq!(fetched.file_name(), name);
        }
    }
}
