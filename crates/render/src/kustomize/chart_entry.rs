//! Entries of `helmCharts` and `helmChartInflationGenerator`, as they are written.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::shape::Shape::{self, Any, Bool, List, Struct, Text};

/// Where charts are looked for when nothing is said.
const DEFAULT_HOME: &str = "charts";

/// `helmGlobals` of a kustomization. `configHome` is read and means nothing: no program is run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HelmGlobals {
    pub(crate) chart_home: String,
}

impl HelmGlobals {
    /// The folder of the charts, from that of the kustomization.
    pub(crate) fn home(&self) -> &str {
        if self.chart_home.is_empty() { DEFAULT_HOME } else { &self.chart_home }
    }
}

/// One entry of `helmCharts`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct HelmChart {
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) repo: String,
    pub(crate) release_name: String,
    pub(crate) namespace: String,
    pub(crate) additional_values_files: Vec<String>,
    pub(crate) values_file: String,
    pub(crate) values_inline: Map<String, Value>,
    pub(crate) values_merge: String,
    #[serde(rename = "includeCRDs")]
    pub(crate) include_crds: bool,
    pub(crate) skip_hooks: bool,
    pub(crate) api_versions: Vec<String>,
    pub(crate) kube_version: String,
    pub(crate) name_template: String,
    pub(crate) skip_tests: bool,
    pub(crate) devel: bool,
}

/// A generator object of kind `HelmChartInflationGenerator`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct ChartGenerator {
    #[serde(flatten)]
    pub(crate) globals: HelmGlobals,
    #[serde(flatten)]
    pub(crate) chart: HelmChart,
}

/// One entry of `helmChartInflationGenerator`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct OldHelmChart {
    chart_name: String,
    chart_version: String,
    chart_repo_url: String,
    chart_home: String,
    values: String,
    values_local: Map<String, Value>,
    values_merge: String,
    release_name: String,
}

impl From<OldHelmChart> for HelmChart {
    /// Other fields of the old form mean nothing to kustomize 5.8.1.
    fn from(old: OldHelmChart) -> Self {
        Self {
            name: old.chart_name,
            version: old.chart_version,
            repo: old.chart_repo_url,
            values_file: old.values,
            values_inline: old.values_local,
            values_merge: old.values_merge,
            release_name: old.release_name,
            ..Self::default()
        }
    }
}

/// Charts and globals of a kustomization, those of the old form behind the others. Globals of the old form count where
/// there are no others; the last one wins.
pub(crate) fn united(
    charts: &mut Vec<HelmChart>,
    globals: &mut Option<HelmGlobals>,
    old: impl IntoIterator<Item = OldHelmChart>,
) {
    let mut home = String::new();
    for chart in old {
        if !chart.chart_home.is_empty() {
            home.clone_from(&chart.chart_home);
        }
        charts.push(chart.into());
    }
    if globals.is_none() && !home.is_empty() {
        *globals = Some(HelmGlobals { chart_home: home });
    }
}

/// Fields whose value is free: a null in it means something.
pub(crate) const FREE_FIELDS: [&str; 2] = ["valuesInline", "valuesLocal"];

const CHART_FIELDS: [(&str, &Shape); 17] = [
    ("name", &Text),
    ("version", &Text),
    ("repo", &Text),
    ("releaseName", &Text),
    ("namespace", &Text),
    ("additionalValuesFiles", &List(&Text)),
    ("valuesFile", &Text),
    ("valuesInline", &Any),
    ("valuesMerge", &Text),
    ("includeCRDs", &Bool),
    ("skipHooks", &Bool),
    ("apiVersions", &List(&Text)),
    ("kubeVersion", &Text),
    ("nameTemplate", &Text),
    ("skipTests", &Bool),
    ("debug", &Bool),
    ("devel", &Bool),
];
pub(crate) const HELM_CHART: Shape = Struct(&CHART_FIELDS);
const GLOBAL_FIELDS: [(&str, &Shape); 2] = [("chartHome", &Text), ("configHome", &Text)];
pub(crate) const HELM_GLOBALS: Shape = Struct(&GLOBAL_FIELDS);
/// The fields of both.
pub(crate) const HELM_GENERATOR: Shape = Struct(&{
    let mut all = [GLOBAL_FIELDS[0]; CHART_FIELDS.len() + GLOBAL_FIELDS.len()];
    let mut i = 0;
    while i < all.len() {
        all[i] = if i < CHART_FIELDS.len() { CHART_FIELDS[i] } else { GLOBAL_FIELDS[i - CHART_FIELDS.len()] };
        i += 1;
    }
    all
});
pub(crate) const OLD_HELM_CHART: Shape = Struct(&[
    ("chartName", &Text),
    ("chartVersion", &Text),
    ("chartRepoUrl", &Text),
    ("chartHome", &Text),
    ("chartRepoName", &Text),
    ("helmBin", &Text),
    ("helmHome", &Text),
    ("values", &Text),
    ("valuesLocal", &Any),
    ("valuesMerge", &Text),
    ("releaseName", &Text),
    ("releaseNamespace", &Text),
    ("extraArgs", &List(&Text)),
]);
