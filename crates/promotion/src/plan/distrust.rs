//! What was written past Gantline is set back to what may be believed, and that is said.

use std::collections::BTreeSet;

use api::gantline::{PipelineConditionKind, PromotionPhase};

use super::{Action, Draft};
use crate::facts::{Fact, What};

impl Draft<'_> {
    pub(super) fn distrust(&mut self) {
        let Some(tampered) = &self.seen.tampered else { return };
        self.end_those_of(&tampered.releases);
        self.set_back_releases(&tampered.releases, false);
        self.set_back_releases(&tampered.restored.releases, true);
        self.set_back_promotions(&tampered.promotions, false);
        self.set_back_promotions(&tampered.restored.promotions, true);
        for environment in &tampered.pins {
            let message = format!(
                "{environment}: its pin was written past Gantline, and counts for nothing: take it out of spec.pins; a \
                 rollback pins"
            );
            self.condition(PipelineConditionKind::Warning, message);
        }
    }

    fn set_back_releases(&mut self, names: &BTreeSet<String>, restored: bool) {
        for release in self.seen.releases.iter().filter(|it| names.contains(&it.metadata.name)) {
            let (name, status) = (release.metadata.name.clone(), release.status.clone());
            let what = What::Tampered { environment: String::new(), restored };
            let fact = Fact::of_release(&name, &release.spec, what);
            self.step(Action::SetBackRelease { name, status }, vec![fact]);
        }
    }

    fn set_back_promotions(&mut self, names: &BTreeSet<String>, restored: bool) {
        for promotion in self.seen.promotions.iter().filter(|it| names.contains(&it.metadata.name)) {
            let (name, status) = (promotion.metadata.name.clone(), promotion.status.clone());
            let what = What::Tampered { environment: promotion.spec.environment.clone(), restored };
            let fact = Fact::of_promotion(&name, &promotion.spec, what);
            self.step(Action::SetBackPromotion { name, status }, vec![fact]);
        }
    }

    /// What was put somewhere is not followed there any more: where its release is will be seen anew. It comes first: what
    /// is cut off after it finds the release as it was.
    fn end_those_of(&mut self, releases: &BTreeSet<String>) {
        let put = |phase| matches!(phase, PromotionPhase::Written | PromotionPhase::Converging);
        for index in 0..self.promotions.len() {
            let promotion = &self.promotions[index];
            if put(promotion.status.phase) && releases.contains(&promotion.spec.release) {
                let why = "its release was written past Gantline: what the environment runs is seen anew";
                self.end_with(index, PromotionPhase::Failed, why);
            }
        }
    }
}
