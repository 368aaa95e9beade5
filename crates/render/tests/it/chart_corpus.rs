//! How many images of the charts of the open corpus are traced to a key of the values.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use render::helm::Surroundings;
use render::{
    HelmOptions, ImageOrigin, ImageOriginKind, ImagePart, RenderContext, Source, ToolChoice, trace_images_in,
};

use crate::folder::Folder;

/// Images in a thousand that must be traced; raise it with every step forward.
const REACHED: usize = 800;
/// Each fifth chart: enough to see a loss, in a few seconds. With 1 there are 134 of 148 images; the others have no key.
const EACH: usize = 5;

fn charts() -> Option<Vec<PathBuf>> {
    let shared = std::env::var_os("GANTLINE_SHARED").map(PathBuf::from);
    let shared = shared.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"));
    let cases = std::fs::read_dir(shared.join("conformance/helm")).ok()?;
    let mut charts: Vec<PathBuf> = cases.map(|case| case.unwrap().path().join("chart")).collect();
    charts.retain(|chart| chart.join("Chart.yaml").is_file());
    charts.sort();
    Some(charts)
}

fn images(chart: &Path) -> Vec<ImageOrigin> {
    let options = HelmOptions { skip_schema_validation: true, ..HelmOptions::default() };
    let source = Source { tool: ToolChoice::Helm(Box::new(options)), ..Source::default() };
    let surroundings = Surroundings { unix_seconds: 1_700_000_000, nanoseconds: 0, seed: [7; 32] };
    let context = RenderContext { surroundings: Some(surroundings), ..RenderContext::default() };
    trace_images_in(&Folder::tree(chart.to_owned()), &source, &context)
}

/// Whether a key was proven that feeds the tag or the digest; else what the image has instead.
fn reason(origin: &ImageOrigin) -> Result<(), &'static str> {
    let ImageOriginKind::Chart(chart) = &origin.kind else { return Err("no chart") };
    let feeds = |part: ImagePart| chart.keys.iter().any(|key| key.parts.contains(&part));
    let has_version = origin.image.contains('@') || origin.image.rsplit('/').next().is_some_and(|n| n.contains(':'));
    match (feeds(ImagePart::Tag) || feeds(ImagePart::Digest), feeds(ImagePart::Name), has_version) {
        (true, ..) => Ok(()),
        (false, true, false) => Ok(()),
        (false, true, true) => Err("only the name is fed by a key"),
        (false, false, _) => Err("written in the template"),
    }
}

#[test]
fn images_of_public_charts_are_traced() {
    let Some(charts) = charts() else {
        eprintln!("SKIPPED: ../shared/conformance/helm is absent");
        return;
    };
    let (mut all, mut traced, mut reasons) = (0, 0, BTreeMap::<&str, Vec<String>>::new());
    for chart in charts.iter().step_by(EACH) {
        for origin in images(chart) {
            all += 1;
            match reason(&origin) {
                Ok(()) => traced += 1,
                Err(why) => {
                    let name = chart.parent().and_then(Path::file_name).unwrap().to_string_lossy();
                    reasons
                        .entry(why)
                        .or_default()
                        .push(format!("{name}: {} ({} {})", origin.image, origin.file, origin.path));
                }
            }
        }
    }
    for (why, images) in &reasons {
        println!("{why}: {}\n  {}", images.len(), images.join("\n  "));
    }
    println!("{traced} of {all} images are traced to a key");
    assert!(traced * 1000 >= all * REACHED, "{traced} of {all} images are traced");
}
