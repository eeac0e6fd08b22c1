//! Widths of characters as pdf-extract 0.12 reads them.
//!
//! A composite font gives them one by one, `first [w w …]`, or for a range, `first last w`
//! (ISO 32000-1, 9.7.4.3). pdf-extract loses the second form, so that what a string takes is too
//! short and the next one seems to stand apart. The ranges are written out before it looks.

use pdf_extract::{Dictionary, Document, Object};

/// Character codes have two bytes.
const CODES: i64 = 1 << 16;
/// Widths that are written out for a document: four fonts whole. A file of a few bytes may ask for
/// any number of them.
const MOST: usize = 1 << 18;

/// Writes out the ranges of all composite fonts.
pub(super) fn write_out_ranges(document: &mut Document) {
    let mut arrays = Vec::new();
    let mut left = MOST;
    for object in document.objects.values_mut() {
        let Ok(font) = object.as_dict_mut() else {
            continue;
        };
        if !is_composite(font) {
            continue;
        }
        match font.get_mut(b"W") {
            Ok(Object::Array(widths)) => *widths = written_out(widths, &mut left),
            Ok(Object::Reference(id)) => arrays.push(*id),
            _ => {}
        }
    }
    for id in arrays {
        if let Ok(Object::Array(widths)) = document.get_object_mut(id) {
            *widths = written_out(widths, &mut left);
        }
    }
}

fn is_composite(font: &Dictionary) -> bool {
    let subtype = font.get(b"Subtype").and_then(Object::as_name);
    subtype.is_ok_and(|name| name == b"CIDFontType0" || name == b"CIDFontType2")
}

/// Ends where an array is not what it should be, and where no more than `left` are left.
fn written_out(widths: &[Object], left: &mut usize) -> Vec<Object> {
    let mut out = Vec::with_capacity(widths.len());
    let mut rest = widths;
    loop {
        rest = match rest {
            [
                first,
                widths @ (Object::Array(_) | Object::Reference(_)),
                rest @ ..,
            ] => {
                out.extend([first.clone(), widths.clone()]);
                rest
            }
            [first, last, width, rest @ ..] => {
                let (Ok(from), Ok(to)) = (first.as_i64(), last.as_i64()) else {
                    return out;
                };
                if !(0..CODES).contains(&from) || !(from..CODES).contains(&to) {
                    return out;
                }
                let count = (to - from + 1) as usize;
                if count > *left {
                    return out;
                }
                *left -= count;
                out.extend([first.clone(), Object::Array(vec![width.clone(); count])]);
                rest
            }
            _ => return out,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(values: &[i64]) -> Object {
        Object::Array(values.iter().map(|&v| v.into()).collect())
    }

    #[test]
    fn ranges_become_single_widths() {
        let range: [Object; 3] = [3.into(), 5.into(), 300.into()];
        let single: [Object; 2] = [9.into(), numbers(&[1, 2])];
        let widths = [&single[..], &range[..], &single[..]].concat();
        let expected = [&single[..], &[3.into(), numbers(&[300, 300, 300])], &single].concat();
        assert_eq!(written_out(&widths, &mut 3), expected);
        assert_eq!(written_out(&widths, &mut 2), single);

        let mut document = Document::new();
        let array = document.add_object(Object::Array(widths.clone()));
        let mut font = Dictionary::new();
        font.set("Subtype", Object::Name(b"CIDFontType2".to_vec()));
        font.set("W", Object::Reference(array));
        document.add_object(font.clone());
        font.set("W", Object::Array(widths));
        let direct = document.add_object(font);
        write_out_ranges(&mut document);
        let found = document.get_object(array).and_then(Object::as_array);
        assert_eq!(found.expect("it is there"), &expected);
        let font = document.get_dictionary(direct).expect("it is there");
        let found = font.get(b"W").and_then(Object::as_array);
        assert_eq!(found.expect("it is there"), &expected);
    }

    #[test]
    fn what_is_no_range_ends_the_list() {
        for bad in [
            vec![5.into(), 3.into(), 300.into()],
            vec![0.into(), i64::MAX.into(), 300.into()],
            vec![(-4).into(), 3.into(), 300.into()],
            vec![Object::Null, 3.into(), 300.into()],
            vec![7.into()],
        ] {
            assert_eq!(written_out(&bad, &mut 99), []);
        }
    }
}
