//! Unicode normalisation that remembers where things were.

use std::borrow::Cow;

use unicode_normalization::char::decompose_compatible;
use unicode_normalization::char::{canonical_combining_class, decompose_canonical};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick, is_nfkc_quick};

use super::prepare::Replacements;
use crate::config::Normalization;

/// The normalised text.
pub(crate) fn normalized(text: &str, form: Normalization) -> Cow<'_, str> {
    normalize(text, form).map_or(Cow::Borrowed(text), |(text, _)| Cow::Owned(text))
}

/// The normalised text and what was replaced in it; `None` where the text is
/// normalised already.
pub(crate) fn normalize(text: &str, form: Normalization) -> Option<(String, Replacements)> {
    let quick = match form {
        Normalization::None => return None,
        Normalization::Nfc => is_nfc_quick(text.chars()),
        Normalization::Nfkc => is_nfkc_quick(text.chars()),
    };
    if quick == IsNormalized::Yes {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut map = Replacements::default();
    let mut start = 0;
    let mut piece = String::new();
    let mut rest = text.char_indices();
    while start < text.len() {
        // A piece ends before the next character that nothing before it changes.
        let end = loop {
            match rest.next() {
                Some((at, c)) if at > start && stands_alone(c, form) => break at,
                Some(_) => {}
                None => break text.len(),
            }
        };
        let old = &text[start..end];
        piece.clear();
        match form {
            Normalization::Nfkc => piece.extend(old.nfkc()),
            _ => piece.extend(old.nfc()),
        }
        let at = out.len();
        out.push_str(&piece);
        if piece != old {
            map.push(at..out.len(), start..end);
        }
        start = end;
    }
    (out != text).then_some((out, map))
}

/// Whether text may be cut before `c` and the parts normalised one by one: its
/// decomposition begins with a starter that composes with nothing before it.
fn stands_alone(c: char, form: Normalization) -> bool {
    if c.is_ascii() {
        return true;
    }
    let mut first = None;
    let mut note = |c: char| {
        first.get_or_insert(c);
    };
    match form {
        Normalization::Nfkc => decompose_compatible(c, &mut note),
        _ => decompose_canonical(c, &mut note),
    }
    let first = first.unwrap_or(c);
    // 'Maybe' are those that may compose with what is before them.
    canonical_combining_class(first) == 0
        && is_nfc_quick(std::iter::once(first)) == IsNormalized::Yes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ranges_lead_back() {
        let text = "ae\u{301}b Å ﬁn";
        let (out, map) = normalize(text, Normalization::Nfkc).expect("it is not normalised");
        assert_eq!(out, "aéb Å fin");
        let accent = out.find('é').expect("it is there");
        assert_eq!(&text[map.old_range(&(accent..accent + 2))], "e\u{301}");
        let fi = out.find("fi").expect("it is there");
        assert_eq!(&text[map.old_range(&(fi..fi + 2))], "ﬁ");
        assert_eq!(&text[map.old_range(&(fi + 2..fi + 3))], "n");
        assert_eq!(normalize("plain 中文", Normalization::Nfc), None);
        assert_eq!(normalize("e\u{301}", Normalization::None), None);
    }

    fn text() -> impl Strategy<Value = String> {
        let marks = "e\u{301}\u{327}\u{300}åÅﬁＡ가\u{1100}\u{1161}\u{11A8}\u{9C7}\u{9BE}\u{F951}\u{344}\u{3099}か";
        let pick = prop::sample::select(marks.chars().collect::<Vec<_>>());
        prop::collection::vec(prop_oneof![3 => pick, 1 => any::<char>()], 0..24)
            .prop_map(|chars| chars.into_iter().collect())
    }

    proptest! {
        #[test]
        fn pieces_make_the_whole(text in text()) {
            for (form, whole) in [
                (Normalization::Nfc, text.nfc().collect::<String>()),
                (Normalization::Nfkc, text.nfkc().collect::<String>()),
            ] {
                match normalize(&text, form) {
                    None => prop_assert_eq!(&whole, &text),
                    Some((out, map)) => {
                        prop_assert_eq!(&out, &whole);
                        let mut before = 0;
                        for at in (0..=out.len()).filter(|&at| out.is_char_boundary(at)) {
                            let old = map.old(at);
                            prop_assert!(old >= before && text.is_char_boundary(old));
                            before = old;
                        }
                        prop_assert_eq!(before, text.len());
                    }
                }
            }
        }
    }
}
