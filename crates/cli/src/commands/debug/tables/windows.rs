//! `windows`: sync windows of a project.

use api::argocd::{AppProject, Application, SyncWindow, WindowError};
use engine::windows::{By, Windows};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Answer, text, unknown_op};

pub(super) fn answer(input: &Value) -> Answer {
    let project = AppProject::from_value(json!({"spec": {"syncWindows": input["windows"]}}));
    let windows = project.map_err(|error| error.to_string())?.spec.sync_windows;
    match text(input, "op") {
        "cansync" => can_sync(input, &windows),
        "validate" => {
            SyncWindow::check_all(&windows).map_err(|error| error.to_string())?;
            let zones: Vec<&str> = windows.iter().map(SyncWindow::known_zone).collect();
            Ok(json!({"valid": true, "timeZones": zones}))
        }
        _ => Err(unknown_op(input)),
    }
}

fn can_sync(input: &Value, windows: &[SyncWindow]) -> Answer {
    let app = &input["app"];
    let app = json!({"metadata": {"name": app["name"]}, "spec": {"destination": app["destination"]}});
    let app = Application::from_value(app).map_err(|error| error.to_string())?;
    let time = |field: &str| text(input, field).parse::<Timestamp>().map_err(|error| format!("{field}: {error}"));
    let windows = Windows::of(windows, &app, time("now")?);
    let began = time("operationStart").ok();
    let judged = || {
        Ok(json!({
            "matches": windows.places(),
            "active": windows.active()?,
            "inactiveAllows": windows.inactive_allows()?,
            "auto": windows.permit(By::Itself, began)?,
            "manual": windows.permit(By::Hand, began)?,
        }))
    };
    judged().map_err(|error: WindowError| error.to_string())
}
