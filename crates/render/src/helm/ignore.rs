//! `.helmignore` of Helm 4.2 (`pkg/ignore`): not gitignore; the first rule that decides wins.

use object::go_match;

/// The rules of one chart folder.
#[derive(Debug)]
pub(crate) struct IgnoreRules(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    pattern: String,
    /// Ignores what does not match.
    negated: bool,
    folders_only: bool,
    /// The pattern is matched against the last part of the path alone.
    base_name: bool,
}

impl IgnoreRules {
    /// # Errors
    /// The 1-based line and what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, (usize, String)> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut rules = Vec::new();
        for (index, line) in text.lines().enumerate() {
            rules.extend(Rule::parse(line).map_err(|reason| (index + 1, reason))?);
        }
        rules.extend(Rule::parse("templates/.?*").ok().flatten());
        Ok(Self(rules))
    }

    /// Whether the chart does without the file or folder at `path`, relative to the chart.
    pub(crate) fn ignores(&self, path: &str, is_folder: bool) -> bool {
        for rule in &self.0 {
            let applies = is_folder || !rule.folders_only;
            if rule.negated && !(applies && rule.matches(path)) {
                return true;
            }
            if !rule.negated && applies && rule.matches(path) {
                return true;
            }
        }
        false
    }
}

impl Rule {
    fn parse(line: &str) -> Result<Option<Self>, String> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return Ok(None);
        }
        if line.contains("**") {
            return Err("double-star (**) syntax is not supported".to_owned());
        }
        if go_match::matches(line, "abc").is_err() {
            return Err(format!("syntax error in pattern {line:?}"));
        }
        let (negated, pattern) = line.strip_prefix('!').map_or((false, line), |rest| (true, rest));
        let (folders_only, pattern) = pattern.strip_suffix('/').map_or((false, pattern), |rest| (true, rest));
        let anchored = pattern.strip_prefix('/');
        let base_name = anchored.is_none() && !pattern.contains('/');
        Ok(Some(Self { pattern: anchored.unwrap_or(pattern).to_owned(), negated, folders_only, base_name }))
    }

    fn matches(&self, path: &str) -> bool {
        let name = if self.base_name { object::path::file_name(path) } else { path };
        go_match::matches(&self.pattern, name).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(rules: &str, path: &str, is_folder: bool, ignored: bool) {
        let rules = IgnoreRules::parse(rules).unwrap();
        assert_eq!(rules.ignores(path, is_folder), ignored, "{rules:?} {path}");
    }

    #[test]
    fn rules_decide_as_in_helm() {
        check("helm.txt", "a/helm.txt", false, true);
        check("/helm.txt", "a/helm.txt", false, false);
        check("a/*.txt", "a/b.txt", false, true);
        check("a/*.txt", "x/a/b.txt", false, false);
        check("cargo/", "cargo", false, false);
        check("cargo/", "cargo", true, true);
        check("# x\n\n", "x", false, false);
        check("", "templates/.dotfile", false, true);
        check("", "templates/.", true, false);
        check("!keep.txt", "keep.txt", false, false);
        check("!keep.txt", "Chart.yaml", false, true);
        check("!dir/", "file", false, true);
        check("*.txt\n!keep.txt", "keep.txt", false, true);
        assert_eq!(IgnoreRules::parse("a\nb/**").unwrap_err().0, 2);
        assert!(IgnoreRules::parse("[").is_err());
    }
}
