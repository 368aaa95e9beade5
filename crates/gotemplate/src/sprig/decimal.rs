//! Decimal arithmetic, so that 0.1 + 0.2 is 0.3 (`shopspring/decimal` 1.4).

use num_bigint::BigInt;

/// Quotients are rounded to so many places.
const DIVISION_PLACES: i32 = 16;

/// `mantissa * 10^exponent`
#[derive(Debug, Clone)]
pub(super) struct Decimal {
    mantissa: BigInt,
    exponent: i32,
}

impl Decimal {
    /// The shortest decimal that stands for the float; none for infinities and NaN.
    pub(super) fn from_f64(value: f64) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let text = format!("{value:e}");
        let (digits, exponent) = text.split_once('e')?;
        let (whole, decimals) = digits.split_once('.').unwrap_or((digits, ""));
        let mantissa = format!("{whole}{decimals}").parse().ok()?;
        let places = i32::try_from(decimals.len()).ok()?;
        Some(Self { mantissa, exponent: exponent.parse::<i32>().ok()? - places })
    }

    /// The nearest float.
    pub(super) fn to_f64(&self) -> f64 {
        format!("{}e{}", self.mantissa, self.exponent).parse().unwrap_or(f64::NAN)
    }

    /// Decimal digits, near enough to bound the work of an operation.
    pub(super) fn size(&self) -> usize {
        usize::try_from(self.mantissa.bits() / 3).unwrap_or(usize::MAX)
    }

    pub(super) fn add(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { mantissa: self.scaled(exponent) + other.scaled(exponent), exponent }
    }

    pub(super) fn subtract(&self, other: &Self) -> Self {
        let exponent = self.exponent.min(other.exponent);
        Self { mantissa: self.scaled(exponent) - other.scaled(exponent), exponent }
    }

    pub(super) fn multiply(&self, other: &Self) -> Self {
        Self { mantissa: &self.mantissa * &other.mantissa, exponent: self.exponent.saturating_add(other.exponent) }
    }

    /// The quotient, halves rounded away from zero; none by zero.
    pub(super) fn divide(&self, other: &Self) -> Option<Self> {
        if other.mantissa == BigInt::ZERO {
            return None;
        }
        let shift = self.exponent - other.exponent + DIVISION_PLACES;
        let (mut dividend, mut divisor) = (self.mantissa.clone(), other.mantissa.clone());
        if shift >= 0 {
            dividend *= power_of_ten(shift.unsigned_abs());
        } else {
            divisor *= power_of_ten(shift.unsigned_abs());
        }
        let (mut quotient, rest) = (&dividend / &divisor, &dividend % &divisor);
        if (rest * 2u32).magnitude() >= divisor.magnitude() {
            quotient += if dividend.sign() == divisor.sign() { 1 } else { -1 };
        }
        Some(Self { mantissa: quotient, exponent: -DIVISION_PLACES })
    }

    /// The mantissa at a smaller exponent.
    fn scaled(&self, exponent: i32) -> BigInt {
        &self.mantissa * power_of_ten((self.exponent - exponent).unsigned_abs())
    }
}

fn power_of_ten(exponent: u32) -> BigInt {
    BigInt::from(10).pow(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calculates_in_decimals() {
        let of = |value: f64| Decimal::from_f64(value).expect("finite");
        assert_eq!(of(0.1).add(&of(0.2)).to_f64(), 0.3);
        assert_eq!(of(0.3).subtract(&of(0.1)).to_f64(), 0.2);
        assert_eq!(of(1.1).multiply(&of(1.1)).to_f64(), 1.21);
        assert_eq!(of(1.0).divide(&of(3.0)).map(|d| d.to_f64()), Some(0.333_333_333_333_333_3));
        assert_eq!(of(-2.0).divide(&of(3.0)).map(|d| d.to_f64()), Some(-0.666_666_666_666_666_7));
        assert_eq!(of(1e-20).divide(&of(1.0)).map(|d| d.to_f64()), Some(0.0));
        assert!(of(1.0).divide(&of(0.0)).is_none());
        assert_eq!(of(1e308).multiply(&of(1e308)).to_f64(), f64::INFINITY);
        assert!(Decimal::from_f64(f64::NAN).is_none());
    }
}
