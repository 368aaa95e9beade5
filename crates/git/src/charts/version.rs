//! Versions of a chart in a repository, and which of them a constraint picks.

use gotemplate::semver::{Constraints, Version};

use super::ChartError;

/// One version of a chart in a repository.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChartVersion {
    pub chart: String,
    /// As the repository writes it.
    pub version: String,
    /// `sha256:…` of the packed chart, where the repository tells it.
    pub digest: Option<String>,
    /// Where the packed chart is: absolute, or below the repository. The first is used.
    pub urls: Vec<String>,
    /// The chart in a registry: `sha256:…` of its manifest, where it is known.
    pub manifest: Option<String>,
}

impl ChartVersion {
    /// As its packed file is called, without `.tgz`.
    pub fn name(&self) -> String {
        format!("{}-{}", self.chart, self.version)
    }
}

/// The newest first; of equal ones the earlier listed (Helm 4.2, `ChartVersions.Less`).
pub(crate) fn sort(versions: &mut Vec<ChartVersion>) {
    let mut keyed: Vec<(Version, ChartVersion)> =
        versions.drain(..).filter_map(|v| Some((Version::parse(&v.version).ok()?, v))).collect();
    keyed.sort_by(|(a, _), (b, _)| b.compare(a));
    versions.extend(keyed.into_iter().map(|(_, version)| version));
}

/// What a chart's version is asked for with: a version that is there as it is written, else the newest that fulfils the
/// constraint. Pre-releases count only where the constraint has one (Helm 4.2, `IndexFile.Get`).
pub(crate) fn pick<'v>(
    versions: &'v [ChartVersion],
    chart: &str,
    constraint: &str,
) -> Result<Option<&'v ChartVersion>, ChartError> {
    if let Some(exact) = versions.iter().find(|v| v.version == constraint) {
        return Ok(Some(exact));
    }
    let wanted = read(chart, constraint)?;
    Ok(versions.iter().find(|v| Version::parse(&v.version).is_ok_and(|version| wanted.check(&version))))
}

pub(crate) fn read(chart: &str, constraint: &str) -> Result<Constraints, ChartError> {
    Constraints::parse(if constraint.is_empty() { "*" } else { constraint }).map_err(|error| ChartError::Constraint {
        chart: chart.to_owned(),
        constraint: constraint.to_owned(),
        reason: error.to_string(),
    })
}

/// The versions for a message: the newest ones.
pub(crate) fn known(versions: &[ChartVersion]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<&str> = versions.iter().take(SHOWN).map(|v| v.version.as_str()).collect();
    match versions.len() {
        0 => "none".to_owned(),
        all if all > SHOWN => format!("{} and {} more", names.join(", "), all - SHOWN),
        _ => names.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(texts: &[&str]) -> Vec<ChartVersion> {
        let version = |text: &&str| ChartVersion {
            chart: "a".into(),
            version: (*text).into(),
            digest: None,
            urls: vec![],
            manifest: None,
        };
        let mut versions = texts.iter().map(version).collect();
        sort(&mut versions);
        versions
    }

    #[test]
    fn a_constraint_picks_as_in_helm() {
        let all = versions(&["1.0.0", "x", "2.0.0-rc.1", "1.10.0", "1.2.0+b", "v1.9.1"]);
        let names: Vec<&str> = all.iter().map(|v| v.version.as_str()).collect();
        assert_eq!(names, ["2.0.0-rc.1", "1.10.0", "v1.9.1", "1.2.0+b", "1.0.0"]);
        for (constraint, found) in [
            ("", Some("1.10.0")),
            (">0.0.0-0", Some("2.0.0-rc.1")),
            ("2.0.0-rc.1", Some("2.0.0-rc.1")),
            ("^1.2", Some("1.10.0")),
            ("~1.9.0", Some("v1.9.1")),
            ("1.9", Some("v1.9.1")),
            ("1.2.0", Some("1.2.0+b")),
            ("3", None),
            (">=2", None),
        ] {
            let picked = pick(&all, "a", constraint).unwrap();
            assert_eq!(picked.map(|v| v.version.as_str()), found, "{constraint}");
        }
        let error = pick(&all, "a", ">a").unwrap_err().to_string();
        assert!(error.contains("\">a\" of the chart a"), "{error}");
        assert_eq!(known(&all[..2]), "2.0.0-rc.1, 1.10.0");
        assert_eq!(known(&versions(&["1", "2", "3", "4", "5", "6", "7"])), "7, 6, 5, 4, 3 and 2 more");
    }
}
