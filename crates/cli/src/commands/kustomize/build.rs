//! `gantline kustomize build`

use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use render::Source;
use render::kustomize::{BuildOptions, HelmFlags, LoadRestrictor, RemoteBase, Reorder, build_with_remotes};

use crate::commands::helm::surroundings;
use crate::failure::{Code, Failure, Outcome};
use crate::folder::Place;
use crate::{output, remotes};

/// Build a kustomization, byte for byte as kustomize 5.8.1
#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder with the kustomization, also `https://host/org/repo//path?ref=v1`
    #[arg(default_value = ".")]
    path: PathBuf,
    #[arg(long, value_enum, default_value_t = Load::LoadRestrictionsRootOnly, value_name = "WHAT")]
    load_restrictor: Load,
    #[arg(long, value_enum, default_value_t = Order::Unspecified)]
    reorder: Order,
    /// Label what is built with app.kubernetes.io/managed-by
    #[arg(long)]
    enable_managedby_label: bool,
    /// Write to this file, or one file for each object into this folder
    #[arg(short, long, value_name = "PATH")]
    output: Option<PathBuf>,
    /// For containers of kustomize: none is run here, so this changes nothing
    #[arg(long, hide = true)]
    as_current_user: bool,
    #[command(flatten)]
    helm: Helm,
    #[command(flatten)]
    refused: Refused,
}

/// Charts of kustomizations.
#[derive(Debug, Args)]
struct Helm {
    /// Render the charts that the kustomization names, as Helm 4.2.4
    #[arg(long)]
    enable_helm: bool,
    /// API versions of the cluster for charts that name none: group/version or group/version/Kind
    #[arg(long, value_name = "API")]
    helm_api_versions: Vec<String>,
    /// Version of Kubernetes for charts that name none
    #[arg(long, default_value = "", hide_default_value = true, value_name = "VERSION")]
    helm_kube_version: String,
    /// Without effect: charts are rendered in process
    #[arg(long, hide = true)]
    helm_command: Option<String>,
    /// Without effect: an error always names template and line
    #[arg(long, hide = true)]
    helm_debug: bool,
}

impl Helm {
    fn flags(&self) -> Option<HelmFlags> {
        if let Some(command) = &self.helm_command {
            output::aside(format!(
                "warning: --helm-command {command} is ignored: charts are rendered in process, as by Helm 4.2.4"
            ));
        }
        self.enable_helm.then(|| HelmFlags {
            api_versions: self.helm_api_versions.clone(),
            kube_version: self.helm_kube_version.clone(),
            surroundings: Some(surroundings()),
        })
    }
}

/// Flags of kustomize that would run programs: they are understood, so that the answer can say why not.
#[derive(Debug, Args)]
struct Refused {
    #[arg(long, hide = true)]
    enable_alpha_plugins: bool,
    #[arg(long, hide = true)]
    enable_exec: bool,
    #[arg(long, hide = true)]
    network: bool,
    #[arg(long, hide = true)]
    network_name: Option<String>,
    #[arg(short, long, hide = true, num_args = 1)]
    env: Vec<String>,
    #[arg(long, hide = true, num_args = 1)]
    mount: Vec<String>,
}

impl Refused {
    fn check(&self) -> Result<(), Failure> {
        let programs =
            "a build runs no programs and no containers, so that the same commit renders the same everywhere";
        let asked = [
            (self.enable_alpha_plugins, "--enable-alpha-plugins", programs),
            (self.enable_exec, "--enable-exec", programs),
            (self.network || self.network_name.is_some(), "--network", programs),
            (!self.env.is_empty(), "--env", programs),
            (!self.mount.is_empty(), "--mount", programs),
        ];
        Failure::refuse(&asked).map_err(|refused| {
            refused.hint("built-in generators and transformers (apiVersion: builtin) work without any flag")
        })
    }
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Load {
    #[value(name = "LoadRestrictionsRootOnly")]
    LoadRestrictionsRootOnly,
    #[value(name = "LoadRestrictionsNone")]
    LoadRestrictionsNone,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Order {
    None,
    Legacy,
    Unspecified,
}

impl Build {
    pub(super) async fn run(self) -> Outcome {
        self.refused.check()?;
        let options = BuildOptions {
            load_restrictor: match self.load_restrictor {
                Load::LoadRestrictionsRootOnly => LoadRestrictor::RootOnly,
                Load::LoadRestrictionsNone => LoadRestrictor::None,
            },
            reorder: match self.reorder {
                Order::None => Reorder::None,
                Order::Legacy | Order::Unspecified => Reorder::Legacy,
            },
            enable_managedby_label: self.enable_managedby_label,
            helm: self.helm.flags(),
        };
        let (place, source) = self.opened(&options).await?;
        let built = build_with_remotes(&place.tree, &source.path, &options, &source.remotes)
            .map_err(|error| place.failure(&error.0))?;
        built.warnings.iter().for_each(|warning| output::aside(place.shown(warning)));
        match self.output {
            None => output::raw(&built.text()),
            Some(path) if path.is_dir() => {
                for (object, _) in &built.objects {
                    let text = |pointer: &str| {
                        object.pointer(pointer).and_then(|v| v.as_str()).unwrap_or_default().to_lowercase()
                    };
                    let version = text("/apiVersion").replace('/', "_");
                    let name = format!("{version}_{}_{}.yaml", text("/kind"), text("/metadata/name"));
                    write(&path.join(name), &object::yaml::to_string(object))?;
                }
            }
            Some(path) => write(&path, &built.text())?,
        }
        Ok(Code::Done.into())
    }
}

impl Build {
    /// The folder, on this machine or in another repository, with the repositories that it names.
    async fn opened(&self, options: &BuildOptions) -> Result<(Place, Source), Failure> {
        let base = RemoteBase::parse(&self.path.to_string_lossy()).filter(|_| !self.path.exists());
        let Some(base) = base else {
            let place = Place::open(&self.path)?;
            let source = Source { build: options.clone(), ..Source::auto(place.folder.as_str()) };
            let source = remotes::fetched(&place, source).await?;
            return Ok((place, source));
        };
        let place = Place::open(Path::new("."))?;
        let source = Source { build: options.clone(), ..Source::default() };
        let mut source = remotes::with(source, base.at.clone()).await?;
        source.path = source.remotes.folder_of(&base).unwrap_or_default();
        let source = remotes::fetched(&place, source).await?;
        Ok((place, source))
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
