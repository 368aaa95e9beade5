//! The flags of `helm template`, for running recorded commands.

use std::fs;
use std::path::{Path, PathBuf};

use render::helm::{self, KubeVersion, Surroundings, TemplateOptions, TemplateOutput, ValuesFile};

use crate::folder::Folder;

/// One command line.
pub(crate) struct Command {
    pub(crate) chart: PathBuf,
    pub(crate) options: TemplateOptions,
    /// `--output-dir`.
    output: Option<PathBuf>,
}

impl Command {
    /// Reads the arguments behind `template`; files are relative to `folder`.
    pub(crate) fn parse(arguments: impl Iterator<Item = String>, folder: &Path) -> Result<Self, String> {
        let mut options = TemplateOptions { surroundings: Some(surroundings()), ..TemplateOptions::default() };
        let (mut names, mut output) = (Vec::new(), None);
        let mut arguments = arguments;
        while let Some(argument) = arguments.next() {
            let (flag, inline) = match argument.split_once('=') {
                Some((flag, value)) if flag.starts_with("--") => (flag.to_owned(), Some(value.to_owned())),
                _ => (argument, None),
            };
            let mut value = || inline.clone().or_else(|| arguments.next()).ok_or(format!("{flag} needs a value"));
            let values = &mut options.values;
            match flag.as_str() {
                "-n" | "--namespace" => options.namespace = value()?,
                "--name-template" => {
                    options.release_name = helm::release_name(&value()?, surroundings()).map_err(|e| e.to_string())?;
                }
                // without effect for `helm template`
                "--generate-name" | "-g" | "--skip-crds" | "--debug" => {}
                "--description" | "--labels" | "-l" | "--timeout" => drop(value()?),
                "--kube-version" => options.kube_version = KubeVersion::parse(&value()?)?,
                "-a" | "--api-versions" => options.api_versions.extend(value()?.split(',').map(str::to_owned)),
                "-f" | "--values" => {
                    for name in value()?.split(',') {
                        values.files.push(ValuesFile { name: name.to_owned(), content: read(folder, name)?.into() });
                    }
                }
                "--set" => values.set.push(value()?),
                "--set-string" => values.set_string.push(value()?),
                "--set-json" => values.set_json.push(value()?),
                "--set-literal" => values.set_literal.push(value()?),
                "--set-file" => {
                    let text = value()?;
                    for name in helm::set_file_names(&text)? {
                        let content = read(folder, &name)?.into();
                        values.file_contents.insert(name, content);
                    }
                    values.set_file.push(text);
                }
                "--output-dir" => output = Some(folder.join(value()?)),
                "-s" | "--show-only" => options.show_only.push(value()?),
                "--include-crds" => options.include_crds = is_on(inline.as_deref()),
                "--skip-tests" => options.skip_tests = is_on(inline.as_deref()),
                "--no-hooks" => options.no_hooks = is_on(inline.as_deref()),
                "--is-upgrade" => options.is_upgrade = is_on(inline.as_deref()),
                "--skip-schema-validation" => options.skip_schema_validation = is_on(inline.as_deref()),
                name if !name.starts_with('-') => names.push(name.to_owned()),
                other => return Err(format!("unknown flag {other}")),
            }
        }
        let chart = names.pop().ok_or("no chart is named")?;
        if let Some(name) = names.pop() {
            options.release_name = name;
        }
        Ok(Self { chart: folder.join(chart), options, output })
    }

    /// The text that is printed, and warnings.
    pub(crate) fn run(&self) -> Result<(String, Vec<String>), String> {
        let chart = fs::canonicalize(&self.chart).map_err(|error| format!("{}: {error}", self.chart.display()))?;
        // the whole disk: links in a chart may lead out of its folder
        let path = chart.to_string_lossy().trim_start_matches('/').to_owned();
        let output = helm::template(&Folder::tree("/"), &path, &self.options).map_err(|e| e.to_string())?;
        if let Some(folder) = &self.output {
            return Ok((write(folder, &output)?, output.warnings));
        }
        let text = match self.options.show_only.as_slice() {
            [] => output.text(),
            patterns => output.text_of(patterns).map_err(|e| e.to_string())?,
        };
        Ok((text, output.warnings))
    }
}

/// What is printed while files are written.
fn write(folder: &Path, output: &TemplateOutput) -> Result<String, String> {
    let mut printed = String::new();
    for (name, text) in output.files() {
        let path = folder.join(name);
        let written = fs::create_dir_all(path.parent().unwrap_or(folder)).and_then(|()| fs::write(&path, text));
        written.map_err(|error| format!("{}: {error}", path.display()))?;
        printed += &format!("wrote {}\n", path.display());
    }
    Ok(printed + "\n")
}

fn is_on(value: Option<&str>) -> bool {
    value.is_none_or(|v| v == "true")
}

fn read(folder: &Path, name: &str) -> Result<Vec<u8>, String> {
    fs::read(folder.join(name)).map_err(|error| format!("{name}: {error}"))
}

/// The same every time: the recorded commands depend on neither.
fn surroundings() -> Surroundings {
    Surroundings { unix_seconds: 1_800_000_000, nanoseconds: 0, seed: [7; 32] }
}
