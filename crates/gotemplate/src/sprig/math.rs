//! Arithmetic: of integers, of floats in decimals, rounding, ranges of integers.

use super::conversion::{to_f64, to_i64};
use super::decimal::Decimal;
use crate::function::{CallError, Context, Function, Param, any, integer};
use crate::value::{ElementType, List, Value};

/// Bytes of an item in a list of integers.
const ITEM: usize = size_of::<Value>();
/// Digits of a number that decimal arithmetic is done with.
const DIGITS_MAX: usize = 20_000;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("add1", &[Param::Any], |args, _| Ok(Value::int64(to_i64(any(args, 0)?).wrapping_add(1)))),
    Function::variadic("add", &[], Param::Any, |args, _| Ok(Value::int64(fold(0, args, i64::wrapping_add)))),
    Function::new("sub", &[Param::Any, Param::Any], |args, _| Ok(Value::int64(of_two(args, i64::wrapping_sub)?))),
    Function::variadic("mul", &[Param::Any], Param::Any, |args, _| {
        Ok(Value::int64(fold(to_i64(any(args, 0)?), &args[1..], i64::wrapping_mul)))
    }),
    Function::new("div", &[Param::Any, Param::Any], |args, _| quotient(args, i64::wrapping_div)),
    Function::new("mod", &[Param::Any, Param::Any], |args, _| quotient(args, i64::wrapping_rem)),
    Function::variadic("max", &[Param::Any], Param::Any, greatest),
    Function::variadic("biggest", &[Param::Any], Param::Any, greatest),
    Function::variadic("min", &[Param::Any], Param::Any, |args, _| {
        Ok(Value::int64(fold(to_i64(any(args, 0)?), &args[1..], i64::min)))
    }),
    Function::variadic("maxf", &[Param::Any], Param::Any, |args, _| fold_floats(args, larger)),
    Function::variadic("minf", &[Param::Any], Param::Any, |args, _| fold_floats(args, smaller)),
    Function::new("add1f", &[Param::Any], |args, _| decimals(any(args, 0)?, &[Value::int(1)], |a, b| Some(a.add(b)))),
    Function::variadic("addf", &[], Param::Any, |args, _| decimals(&Value::float(0.0), args, |a, b| Some(a.add(b)))),
    Function::variadic("subf", &[Param::Any], Param::Any, |args, _| {
        decimals(any(args, 0)?, &args[1..], |a, b| Some(a.subtract(b)))
    }),
    Function::variadic("mulf", &[Param::Any], Param::Any, |args, _| {
        decimals(any(args, 0)?, &args[1..], |a, b| Some(a.multiply(b)))
    }),
    Function::variadic("divf", &[Param::Any], Param::Any, |args, _| {
        decimals(any(args, 0)?, &args[1..], Decimal::divide)
    }),
    Function::new("floor", &[Param::Any], |args, _| Ok(Value::float(to_f64(any(args, 0)?).floor()))),
    Function::new("ceil", &[Param::Any], |args, _| Ok(Value::float(to_f64(any(args, 0)?).ceil()))),
    Function::variadic("round", &[Param::Any, Param::INT], Param::FLOAT64, round),
    Function::new("until", &[Param::INT], until),
    Function::new("untilStep", &[Param::INT, Param::INT, Param::INT], until_step),
    Function::variadic("seq", &[], Param::INT, seq),
    Function::new("randInt", &[Param::INT, Param::INT], random_integer),
];

fn fold(first: i64, rest: &[Value], operation: fn(i64, i64) -> i64) -> i64 {
    rest.iter().map(to_i64).fold(first, operation)
}

fn of_two(args: &[Value], operation: fn(i64, i64) -> i64) -> Result<i64, CallError> {
    Ok(operation(to_i64(any(args, 0)?), to_i64(any(args, 1)?)))
}

fn quotient(args: &[Value], operation: fn(i64, i64) -> i64) -> Result<Value, CallError> {
    if to_i64(any(args, 1)?) == 0 {
        return Err(CallError::new("runtime error: integer divide by zero"));
    }
    Ok(Value::int64(of_two(args, operation)?))
}

fn greatest(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    Ok(Value::int64(fold(to_i64(any(args, 0)?), &args[1..], i64::max)))
}

fn fold_floats(args: &[Value], operation: fn(f64, f64) -> f64) -> Result<Value, CallError> {
    let first = to_f64(any(args, 0)?);
    Ok(Value::float(args[1..].iter().map(to_f64).fold(first, operation)))
}

/// Go's `math.Max`: NaN wins, and 0 is above -0.
fn larger(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        return f64::INFINITY;
    }
    if a.is_nan() || b.is_nan() {
        return f64::NAN;
    }
    if a == b && a == 0.0 && a.is_sign_negative() { b } else { a.max(b) }
}

fn smaller(a: f64, b: f64) -> f64 {
    -larger(-a, -b)
}

/// Folds floats as decimals.
fn decimals(
    first: &Value,
    rest: &[Value],
    operation: fn(&Decimal, &Decimal) -> Option<Decimal>,
) -> Result<Value, CallError> {
    let of = |value: &Value| {
        let number = to_f64(value);
        let shown = || crate::strconv::print_float(number, crate::value::FloatType::Float64);
        Decimal::from_f64(number).ok_or_else(|| CallError::new(format!("Cannot create a Decimal from {}", shown())))
    };
    let mut result = of(first)?;
    for value in rest {
        result = operation(&result, &of(value)?).ok_or_else(|| CallError::new("decimal division by 0"))?;
        if result.size() > DIGITS_MAX {
            return Err(CallError::new(format!("a number has more than {DIGITS_MAX} digits")));
        }
    }
    Ok(Value::float(result.to_f64()))
}

fn round(args: &[Value], _: &mut Context<'_>) -> Result<Value, CallError> {
    let round_on = args.get(2).map_or(0.5, to_f64);
    let scale = power_of_ten(integer(args, 1)?);
    let digits = scale * to_f64(any(args, 0)?);
    let rounded = if digits.fract() >= round_on { digits.ceil() } else { digits.floor() };
    Ok(Value::float(rounded / scale))
}

/// 10 to an integral power, by squares of the fraction and sums of the exponent as Go's `math.Pow` does it.
fn power_of_ten(places: i64) -> f64 {
    let (mut fraction, mut exponent) = (0.625_f64, 4_i64);
    let (mut result, mut result_exponent) = (1.0_f64, 0_i64);
    let mut rest = places.unsigned_abs();
    while rest != 0 {
        if exponent.abs() > 1 << 12 {
            result_exponent += exponent;
            break;
        }
        if rest & 1 == 1 {
            result *= fraction;
            result_exponent += exponent;
        }
        fraction *= fraction;
        exponent <<= 1;
        if fraction < 0.5 {
            fraction += fraction;
            exponent -= 1;
        }
        rest >>= 1;
    }
    if places < 0 {
        (result, result_exponent) = (1.0 / result, -result_exponent);
    }
    scaled(result, result_exponent)
}

/// `value * 2^exponent`, in two steps where one would leave the range of a float too early.
fn scaled(value: f64, exponent: i64) -> f64 {
    let exponent = i32::try_from(exponent.clamp(-5000, 5000)).unwrap_or_default();
    value * 2.0_f64.powi(exponent / 2) * 2.0_f64.powi(exponent - exponent / 2)
}

fn until(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let count = integer(args, 0)?;
    range(0, count, if count < 0 { -1 } else { 1 }, context).map(integers)
}

fn until_step(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    range(integer(args, 0)?, integer(args, 1)?, integer(args, 2)?, context).map(integers)
}

fn integers(items: Vec<i64>) -> Value {
    Value::List(List::typed(ElementType::Int, items.into_iter().map(Value::int).collect()))
}

/// The integers from `start` to before `stop`; none if the step leads away.
fn range(start: i64, stop: i64, step: i64, context: &mut Context<'_>) -> Result<Vec<i64>, CallError> {
    let distance = i128::from(stop) - i128::from(start);
    if distance == 0 || step == 0 || (distance < 0) != (step < 0) {
        return Ok(Vec::new());
    }
    let count = distance.unsigned_abs().div_ceil(u128::from(step.unsigned_abs()));
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    context.spend(count)?;
    context.allocate(count.saturating_mul(ITEM))?;
    let steps = std::iter::successors(Some(start), |at| at.checked_add(step));
    Ok(steps.take(count).collect())
}

/// Integers with spaces between, both ends included, as the Unix program.
fn seq(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let numbers: Vec<i64> = args.iter().map(to_i64).collect();
    let towards = |start: i64, end: i64| if end < start { -1 } else { 1 };
    let (start, end, step) = match numbers[..] {
        [end] => (1, end, towards(1, end)),
        [start, end] => (start, end, towards(start, end)),
        [start, step, end] if end < start && step > 0 => return Ok(Value::string("")),
        [start, step, end] => (start, end, step),
        _ => return Ok(Value::string("")),
    };
    let stop = end.wrapping_add(towards(start, end));
    let items = range(start, stop, step, context)?;
    context.allocate(items.len().saturating_mul(20))?;
    let texts: Vec<String> = items.iter().map(i64::to_string).collect();
    Ok(Value::string(texts.join(" ")))
}

fn random_integer(args: &[Value], context: &mut Context<'_>) -> Result<Value, CallError> {
    let (least, bound) = (integer(args, 0)?, integer(args, 1)?);
    let width = bound.wrapping_sub(least);
    if width <= 0 {
        return Err(CallError::new("invalid argument to Intn"));
    }
    let offset = super::random::below(width.unsigned_abs(), context);
    Ok(Value::int(least.wrapping_add(offset.cast_signed())))
}
