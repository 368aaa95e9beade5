//! What of the page can be told without a browser.

const HTML: &str = include_str!("../../src/page/index.html");
const SCRIPT: &str = include_str!("../../src/page/app.js");
const STYLE: &str = include_str!("../../src/page/app.css");

/// Enter in a field presses the first button of its form that submits.
#[test]
fn enter_in_a_dialog_confirms() {
    let forms: Vec<&str> = HTML.split("<form ").skip(1).filter_map(|rest| rest.split("</form>").next()).collect();
    assert_eq!(forms.len(), 2);
    for form in forms {
        let buttons = form.split("<button ").skip(1).filter_map(|rest| rest.split('>').next());
        let pressed = buttons.into_iter().find(|attributes| !attributes.contains("type=\"button\"")).unwrap();
        assert!(pressed.contains("class=\"primary\""), "Enter presses <button {pressed}>");
    }
}

/// The share of light of a colour, as WCAG 2 defines it.
fn luminance(colour: &str) -> f64 {
    let channel = |at: usize| f64::from(u8::from_str_radix(&colour[at..at + 2], 16).unwrap()) / 255.0;
    let linear = |c: f64| if c <= 0.039_28 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) };
    0.2126 * linear(channel(1)) + 0.7152 * linear(channel(3)) + 0.0722 * linear(channel(5))
}

/// Small text has a contrast of 4.5 to 1, light and dark.
#[test]
fn small_text_can_be_read() {
    let themes = STYLE.split("--ground:").skip(1).map(|rest| format!("--ground:{rest}"));
    for theme in themes {
        let token = |name: &str| theme.split(&format!("{name}: ")).nth(1).unwrap()[..7].to_owned();
        for (text, ground) in
            ["--ink", "--soft", "--faint"].iter().flat_map(|t| ["--ground", "--card"].map(|g| (*t, g)))
        {
            let (a, b) = (luminance(&token(text)), luminance(&token(ground)));
            let contrast = (a.max(b) + 0.05) / (a.min(b) + 0.05);
            assert!(contrast >= 4.5, "{text} on {ground} has {contrast:.2}");
        }
    }
}

/// That all is well stands alone: not beside a decision that waits, or a Pipeline that stands still.
#[test]
fn that_all_is_well_is_not_said_while_something_waits() {
    let said: Vec<&str> = SCRIPT.lines().filter(|line| line.contains("all Synced and Healthy")).collect();
    let [line] = said.as_slice() else { panic!("{said:#?}") };
    assert!(line.contains("parts.length ? parts.join"), "{line}");
}

/// What a dialog asks for is said with all that follows from it.
#[test]
fn a_dialog_has_room_for_what_follows() {
    let act = HTML.split("<dialog id=\"act\">").nth(1).unwrap();
    assert!(act.contains("class=\"consequences\"") && SCRIPT.contains("offer.consequences"));
}

/// What happened on another day is told with its day, and hashes are shortened wherever words of the server are shown.
#[test]
fn moments_have_their_day_and_hashes_are_short() {
    for line in
        ["textContent: dayAndTime(entry.time)", "textContent: readable(problem)", "textContent: readable(reason)"]
    {
        assert!(SCRIPT.contains(line), "{line}");
    }
}
