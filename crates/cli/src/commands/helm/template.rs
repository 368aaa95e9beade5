//! `gantline helm template [NAME] CHART`

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, ValueEnum};
use render::helm::{self, KubeVersion, Surroundings, TemplateOptions, TemplateOutput, ValueSources, ValuesFile};

use super::remote_chart::ChartFlags;
use crate::failure::{Code, Failure, Outcome};
use crate::output;

/// Render a chart, byte for byte as Helm 4.2.4
#[derive(Debug, Args)]
#[command(disable_version_flag = true)]
pub(crate) struct Template {
    /// [NAME] CHART: the name of the release, and the chart: a folder, an archive, oci://host/chart, a URL or repo/chart
    #[arg(required = true, num_args = 1..=2, value_name = "NAME] [CHART")]
    names: Vec<String>,
    /// Namespace of the release
    #[arg(short, long, default_value = "", hide_default_value = true)]
    namespace: String,
    /// Name of the release, as a template
    #[arg(long, value_name = "TEMPLATE")]
    name_template: Option<String>,
    /// As in Helm, without effect here: the release is called release-name
    #[arg(short, long, hide = true)]
    generate_name: bool,
    #[command(flatten)]
    values: ValueFlags,
    #[command(flatten)]
    remote: ChartFlags,
    /// Fetch dependencies that are missing in charts/
    #[arg(long)]
    dependency_update: bool,
    /// Version of Kubernetes to render for
    #[arg(long, value_name = "VERSION", value_parser = KubeVersion::parse)]
    kube_version: Option<KubeVersion>,
    /// Further API versions of the cluster: group/version or group/version/Kind
    #[arg(short, long, value_delimiter = ',', value_name = "API")]
    api_versions: Vec<String>,
    /// Print the CRDs, too
    #[arg(long)]
    include_crds: bool,
    /// Without effect, as in Helm: CRDs are only printed when asked for
    #[arg(long, hide = true)]
    skip_crds: bool,
    /// Leave tests out
    #[arg(long)]
    skip_tests: bool,
    /// Leave hooks out
    #[arg(long)]
    no_hooks: bool,
    /// Print these files only, by paths or globs below the chart
    #[arg(short, long, value_delimiter = ',', value_name = "FILE")]
    show_only: Vec<String>,
    /// Do not check values against values.schema.json
    #[arg(long)]
    skip_schema_validation: bool,
    /// Set .Release.IsUpgrade instead of .Release.IsInstall
    #[arg(long)]
    is_upgrade: bool,
    /// Write a file for each template below this folder
    #[arg(long, value_name = "FOLDER")]
    output_dir: Option<PathBuf>,
    /// With --output-dir: into a folder of the release's name
    #[arg(long)]
    release_name: bool,
    #[command(flatten)]
    idle: Idle,
    #[command(flatten)]
    refused: Refused,
}

/// Flags of helm that change nothing in what is printed.
#[derive(Debug, Args)]
struct Idle {
    #[arg(long, hide = true)]
    description: Option<String>,
    #[arg(short, long, hide = true)]
    labels: Vec<String>,
    #[arg(long, hide = true)]
    timeout: Option<String>,
    #[arg(long, hide = true)]
    debug: bool,
    #[arg(long, hide = true)]
    hide_notes: bool,
    #[arg(long, hide = true)]
    create_namespace: bool,
    #[arg(long, hide = true)]
    replace: bool,
    #[arg(long, hide = true)]
    disable_openapi_validation: bool,
}

/// Where values come from; of several the last wins, kind after kind in this order.
#[derive(Debug, Default, Args)]
pub(crate) struct ValueFlags {
    /// Values files; - is standard input
    #[arg(short = 'f', long, value_delimiter = ',', value_name = "FILE")]
    values: Vec<String>,
    /// key=JSON
    #[arg(long, value_name = "KEY=JSON")]
    set_json: Vec<String>,
    /// key=value,key=value
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// As --set, values are texts
    #[arg(long, value_name = "KEY=TEXT")]
    set_string: Vec<String>,
    /// key=path: the content of a file
    #[arg(long, value_name = "KEY=FILE")]
    set_file: Vec<String>,
    /// key=text, taken as it is
    #[arg(long, value_name = "KEY=TEXT")]
    set_literal: Vec<String>,
}

/// Flags of helm that need a cluster or run programs: they are understood, so that the answer can say why not.
#[derive(Debug, Args)]
struct Refused {
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    validate: Option<String>,
    #[arg(long, hide = true)]
    post_renderer: Option<String>,
    #[arg(long, hide = true, num_args = 1)]
    post_renderer_args: Vec<String>,
    #[arg(long, hide = true, num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    #[arg(long, hide = true)]
    enable_dns: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DryRun {
    #[value(alias = "true")]
    Client,
    Server,
    #[value(alias = "false")]
    None,
}

impl Refused {
    fn check(&self) -> Result<(), Failure> {
        let cluster = "a render asks no cluster, so that the same commit renders the same everywhere";
        Failure::refuse(&[
            (self.validate.as_deref().is_some_and(|v| v != "false"), "--validate", cluster),
            (self.dry_run == Some(DryRun::Server), "--dry-run=server", cluster),
            (
                self.post_renderer.is_some(),
                "--post-renderer",
                "a render runs no programs; use a kustomization over the chart",
            ),
            (self.enable_dns, "--enable-dns", "a render has no network"),
        ])
    }
}

impl Template {
    pub(crate) async fn run(self) -> Outcome {
        self.refused.check()?;
        let options = self.options()?;
        let chart = self.names.last().map(String::as_str).unwrap_or_default();
        if self.dependency_update {
            self.remote.complete(chart).await?;
        }
        let (place, report) = self.remote.locate(chart).await?;
        report.iter().for_each(|report| output::aside(report.trim_end()));
        let output =
            helm::template(&place.tree, &place.folder, &options).map_err(|error| place.chart_failure(error))?;
        output.warnings.iter().for_each(|warning| output::aside(format!("warning: {warning}")));
        match (&self.output_dir, options.show_only.as_slice()) {
            (Some(folder), _) => self.write(folder, &options, &output)?,
            (None, []) => output::raw(&output.text()),
            (None, patterns) => output::raw(&output.text_of(patterns).map_err(|error| place.chart_failure(error))?),
        }
        Ok(Code::Done.into())
    }

    fn options(&self) -> Result<TemplateOptions, Failure> {
        let surroundings = surroundings();
        let release_name = match (self.names.as_slice(), &self.name_template) {
            ([_, _], Some(_)) => {
                return Err(Failure::usage("the release has a name and --name-template: give one of them"));
            }
            ([name, _], None) => name.clone(),
            (_, Some(template)) => helm::release_name(template, surroundings)?,
            _ => TemplateOptions::default().release_name,
        };
        let given = |text: &str, other: &str| if text.is_empty() { other.to_owned() } else { text.to_owned() };
        Ok(TemplateOptions {
            release_name,
            namespace: given(&self.namespace, "default"),
            kube_version: self.kube_version.clone().unwrap_or_default(),
            api_versions: self.api_versions.clone(),
            values: self.values.read()?,
            include_crds: self.include_crds,
            skip_tests: self.skip_tests,
            no_hooks: self.no_hooks,
            show_only: self.show_only.clone(),
            skip_schema_validation: self.skip_schema_validation,
            is_upgrade: self.is_upgrade,
            surroundings: Some(surroundings),
            ..TemplateOptions::default()
        })
    }

    /// Writes the files; a path that comes again is appended to, as Helm does.
    fn write(&self, folder: &Path, options: &TemplateOptions, output: &TemplateOutput) -> Result<(), Failure> {
        let folder = if self.release_name { folder.join(&options.release_name) } else { folder.to_owned() };
        let mut texts: Vec<(&str, String)> = Vec::new();
        for (name, text) in output.files() {
            match texts.iter_mut().find(|(known, _)| *known == name) {
                Some((_, whole)) => whole.push_str(&text),
                None => texts.push((name, text)),
            }
        }
        for (name, text) in texts {
            let path = folder.join(name);
            let written =
                path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
            written.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
            output::line(format!("wrote {}", path.display()));
        }
        output::line("");
        Ok(())
    }
}

impl ValueFlags {
    pub(crate) fn read(&self) -> Result<ValueSources, Failure> {
        let mut file_contents = BTreeMap::new();
        for text in &self.set_file {
            for name in helm::set_file_names(text).map_err(Failure::usage)? {
                let content = read(&name)?;
                file_contents.insert(name, content);
            }
        }
        let file = |name: &String| Ok(ValuesFile { name: name.clone(), content: read(name)? });
        Ok(ValueSources {
            files: self.values.iter().map(file).collect::<Result<_, Failure>>()?,
            set_json: self.set_json.clone(),
            set: self.set.clone(),
            set_string: self.set_string.clone(),
            set_file: self.set_file.clone(),
            set_literal: self.set_literal.clone(),
            file_contents,
        })
    }
}

fn read(name: &str) -> Result<Arc<[u8]>, Failure> {
    let failed = |error: std::io::Error| Failure::new(format!("{name}: {error}"));
    let limit = object::SIZE_MAX;
    let mut bytes = Vec::new();
    if name == "-" {
        std::io::stdin().take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    } else {
        std::fs::File::open(name).map_err(failed)?.take(limit + 1).read_to_end(&mut bytes).map_err(failed)?;
    }
    if bytes.len() as u64 > limit {
        return Err(Failure::new(format!("{name}: more than {} MiB: values files are smaller", limit >> 20)));
    }
    Ok(bytes.into())
}

/// The time and the chance of this run.
#[expect(clippy::disallowed_methods, reason = "a command runs at the time at which it runs")]
pub(crate) fn surroundings() -> Surroundings {
    let now = jiff::Timestamp::now();
    Surroundings {
        unix_seconds: now.as_second(),
        nanoseconds: now.subsec_nanosecond().unsigned_abs(),
        seed: rand::random(),
    }
}
