//! What somebody may have meant by a name that is not there.

use object::nearest;

/// So many names are given.
const MOST: usize = 5;

/// The known names that are near: a slip of the keyboard first, else those that have a part in common.
pub(crate) fn meant(name: &str, known: &[String]) -> Option<String> {
    if let Some(nearest) = nearest(name, known.iter().map(String::as_str)) {
        return Some(format!("did you mean {nearest}?"));
    }
    let first = |text: &str| text.split('-').next().unwrap_or_default().to_owned();
    let akin = |known: &&String| known.contains(name) || name.contains(known.as_str()) || first(known) == first(name);
    let near: Vec<&str> =
        known.iter().filter(|it| !it.is_empty()).filter(akin).map(String::as_str).take(MOST).collect();
    (!near.is_empty()).then(|| format!("did you mean {}?", near.join(" or ")))
}

/// The same; where nothing is near, all that there are.
pub(crate) fn among(name: &str, known: &[String]) -> String {
    meant(name, known).unwrap_or_else(|| format!("there are {}", known.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_parts_are_understood() {
        let known = ["shop", "shop-dev", "checkout-service"].map(str::to_owned);
        let check = |name: &str, expected: &str| assert_eq!(among(name, &known), expected, "{name}");
        check("checkout-servic", "did you mean checkout-service?");
        check("checkout", "did you mean checkout-service?");
        check("Shop", "did you mean shop?");
        check("shop-production-east", "did you mean shop or shop-dev?");
        check("xylophone", "there are shop, shop-dev, checkout-service");
        assert_eq!(meant("xylophone", &known), None);
        assert_eq!(meant("x", &[]), None);
    }
}
