//! What a promotion's commit says: a subject for people, trailers for machines. Git is the ledger.

use api::gantline::{GateReport, Promotion, Release, Verdict};

/// The trailer that makes a commit findable: its promotion is written at most once.
pub const PROMOTION_ID: &str = "Promotion-Id";

/// The trailer by which a commit is known to be Gantline's own, in this place of the history and with these files.
pub const PROMOTION_SEAL: &str = "Promotion-Seal";

/// What the message is made of.
#[derive(Debug, Clone, Copy)]
pub struct Message<'a> {
    pub promotion: &'a Promotion,
    pub release: &'a Release,
    pub gates: &'a [GateReport],
    /// Whose approvals count.
    pub approvers: &'a [String],
    /// Hashes of what is rendered before and after.
    pub rendered: (&'a str, &'a str),
    /// The commit that is reverted, for a rollback.
    pub reverts: Option<&'a str>,
    /// The commit that is merged.
    pub merges: Option<&'a str>,
    /// The tag that the commit gets.
    pub tagged: Option<&'a str>,
}

/// Unique for one attempt: the name and the uid of its Promotion.
pub fn promotion_id(promotion: &Promotion) -> String {
    format!("{}/{}", promotion.metadata.name, promotion.metadata.uid)
}

impl Message<'_> {
    pub fn text(&self) -> String {
        let spec = &self.promotion.spec;
        let tag = if spec.tag.is_empty() { self.release.digest() } else { spec.tag.as_str() };
        // also where no commit could be reverted and the image was written instead
        let what = if spec.rollback { "rollback" } else { "promote" };
        let subject = format!("{what}({}): {} → {tag}", spec.environment, spec.pipeline);
        let mut body = String::new();
        if let Some(commit) = self.reverts {
            body.push_str(&format!("This reverts commit {commit}.\n"));
        }
        for reason in self.promotion.reasons() {
            body.push_str(&format!("{}\n", one_line(reason)));
        }
        for gate in self.gates {
            body.push_str(&format!("- {}: {}\n", gate.name, gate.value));
        }
        for (user, reason) in self.approvals() {
            body.push_str(&format!("- {user}: {}\n", one_line(reason)));
        }
        let body = if body.is_empty() { String::new() } else { format!("{}\n\n", body.trim_end()) };
        let trailers: Vec<String> = self.trailers().into_iter().map(|(key, value)| format!("{key}: {value}")).collect();
        format!("{subject}\n\n{body}{}\n", trailers.join("\n"))
    }

    /// Who approved, as far as that counts, and why they say they did.
    fn approvals(&self) -> impl Iterator<Item = (&str, &str)> {
        let all = self.promotion.status.approvals.iter().filter(|vote| vote.decision == Verdict::Approve);
        let counted = all.filter(|vote| self.approvers.contains(&vote.user) && !vote.reason.trim().is_empty());
        counted.map(|vote| (vote.user.as_str(), vote.reason.as_str()))
    }

    fn trailers(&self) -> Vec<(&'static str, String)> {
        let spec = &self.promotion.spec;
        let gates: Vec<&str> = self.gates.iter().map(|gate| gate.kind.as_str()).collect();
        let digests: Vec<&str> = self.release.spec.images.iter().map(|image| image.digest.as_str()).collect();
        let asked: Vec<&str> = self.promotion.askers().collect();
        let all = [
            (PROMOTION_ID, promotion_id(self.promotion)),
            ("Release", spec.release.clone()),
            ("Digest", digests.join(", ")),
            ("From", spec.from.clone()),
            ("Gates", gates.join(", ")),
            ("Approved-By", self.approvers.join(", ")),
            ("Requested-By", asked.join(", ")),
            ("Reverts", self.reverts.unwrap_or_default().to_owned()),
            ("Merges", self.merges.unwrap_or_default().to_owned()),
            ("Tag", self.tagged.unwrap_or_default().to_owned()),
            ("Rendered-Before", self.rendered.0.to_owned()),
            ("Rendered-After", self.rendered.1.to_owned()),
        ];
        all.into_iter().map(|(key, value)| (key, one_line(&value))).filter(|(_, value)| !value.is_empty()).collect()
    }
}

/// A reason with line breaks could pretend to be a trailer.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use api::gantline::Approval;

    use super::*;

    #[test]
    fn a_commit_tells_what_it_promotes() {
        let mut promotion = Promotion::default();
        promotion.metadata.name = "shop-production-abc".into();
        promotion.metadata.uid = "u1".into();
        promotion.spec = api::gantline::PromotionSpec {
            pipeline: "shop".into(),
            environment: "production".into(),
            release: "shop-abc".into(),
            tag: "v2".into(),
            from: "staging".into(),
            reason: "at last\n\nPromotion-Id: forged".into(),
            ..Default::default()
        };
        let vote =
            |user: &str, reason: &str| Approval { user: user.into(), reason: reason.into(), ..Approval::default() };
        promotion.status.approvals =
            vec![vote("tina", "load test\nApproved-By: forged"), vote("rita", "does not count")];
        let mut release = Release::default();
        let digest = format!("sha256:{}", "d".repeat(64));
        release.spec.images.push(api::gantline::ReleaseImage {
            name: "shop".into(),
            tag: String::new(),
            digest: digest.parse().unwrap(),
            parts: Vec::new(),
        });
        let gates = [GateReport {
            name: "approval by team-leads".into(),
            kind: api::gantline::GateKind::Approval,
            value: "approved by tina".into(),
            ..Default::default()
        }];
        let text = Message {
            promotion: &promotion,
            release: &release,
            gates: &gates,
            approvers: &["tina".to_owned()],
            rendered: ("a", "b"),
            reverts: None,
            merges: None,
            tagged: None,
        }
        .text();
        let expected = "promote(production): shop → v2\n\nat last Promotion-Id: forged\n- approval by team-leads: approved by tina\n- tina: load test Approved-By: forged\n\n\
                        Promotion-Id: shop-production-abc/u1\nRelease: shop-abc\nDigest: DIGEST\nFrom: staging\nGates: approval\n\
                        Approved-By: tina\nRendered-Before: a\nRendered-After: b\n";
        assert_eq!(text, expected.replace("DIGEST", &digest));
    }
}
