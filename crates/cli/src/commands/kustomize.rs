//! `gantline kustomize build`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use render::kustomize::{BuildOptions, LoadRestrictor, Reorder, build};

use crate::failure::{Code, Failure, Outcome};
use crate::{folder, output};

#[derive(Debug, Subcommand)]
pub(crate) enum Kustomize {
    /// Build a kustomization, byte for byte as kustomize 5.8.1
    Build(Build),
}

#[derive(Debug, Args)]
pub(crate) struct Build {
    /// The folder with the kustomization
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

impl Kustomize {
    #[expect(clippy::print_stderr, reason = "warnings go beside the manifests")]
    pub(crate) fn run(self) -> Outcome {
        let Self::Build(command) = self;
        let options = BuildOptions {
            load_restrictor: match command.load_restrictor {
                Load::LoadRestrictionsRootOnly => LoadRestrictor::RootOnly,
                Load::LoadRestrictionsNone => LoadRestrictor::None,
            },
            reorder: match command.reorder {
                Order::None => Reorder::None,
                Order::Legacy | Order::Unspecified => Reorder::Legacy,
            },
            enable_managedby_label: command.enable_managedby_label,
        };
        let (tree, path) = folder::tree_around(&command.path)?;
        let built = build(&tree, &path, &options)?;
        built.warnings.iter().for_each(|warning| eprintln!("{warning}"));
        match command.output {
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

fn write(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    std::fs::write(path, text).map_err(|error| Failure::new(format!("{}: {error}", path.display())))
}
