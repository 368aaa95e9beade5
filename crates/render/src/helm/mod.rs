//! `helm template` of Helm 4.2.4, in process.

#![allow(dead_code, reason = "the template engine that uses it is on its way")]

mod archive;
mod budget;
mod capabilities;
mod chart;
mod coalesce;
mod decode;
mod error;
mod files;
mod given;
mod glob;
mod go_match;
mod go_values;
mod ignore;
mod instance;
mod load;
mod manifests;
mod metadata;
mod options;
mod scope;
mod strvals;
mod values_file;
mod versions;

pub use capabilities::KubeVersion;
pub use chart::{Chart, File};
pub use error::HelmError;
pub use given::set_file_names;
pub use load::load;
pub use metadata::{Dependency, Maintainer, Metadata};
pub use options::{Surroundings, TemplateOptions, ValueSources, ValuesFile};
