use super::super::fixtures::{Random, line, noisy, page};
use super::*;
use ExtractionKind as Kind;

fn plain(lines: &[ReadLine]) -> Vec<Extraction> {
    extract::<&str>(lines, &[])
}

/// Kind, value and normal form of what a single line holds.
fn one(text: &str) -> Vec<(Kind, String, String)> {
    plain(&[line(1, 1, text)])
        .into_iter()
        .map(|e| (e.kind, e.value, e.normalized.unwrap_or_default()))
        .collect()
}

fn assert_one(text: &str, kind: Kind, value: &str, normalized: &str) {
    let expected = vec![(kind, value.to_owned(), normalized.to_owned())];
    assert_eq!(one(text), expected, "{text}");
}

#[test]
fn dates() {
    for (text, value, normalized) in [
        ("signed 2024-03-05 here", "2024-03-05", "2024-03-05"),
        (
            "at 2024-03-05T10:20:30Z it",
            "2024-03-05T10:20:30Z",
            "2024-03-05",
        ),
        ("on March 5, 2024, he", "March 5, 2024", "2024-03-05"),
        ("the 5th of March 2024.", "5th of March 2024", "2024-03-05"),
        ("5 Mar. 2024", "5 Mar. 2024", "2024-03-05"),
        ("in March 2024 they", "March 2024", "2024-03"),
        ("on May 5 they", "May 5", ""),
        ("am 05.03.2024 um", "05.03.2024", "2024-03-05"),
        ("on 25/12/2024", "25/12/2024", "2024-12-25"),
        ("on 03/04/2024", "03/04/2024", ""),
        ("于2024年3月5日签订", "2024年3月5日", "2024-03-05"),
        ("二〇二四年三月十五日", "二〇二四年三月十五日", "2024-03-15"),
        ("自2024年3月起", "2024年3月", "2024-03"),
    ] {
        assert_one(text, Kind::Date, value, normalized);
    }
    for none in [
        "2024-13-45",
        "version 1.2.3.4",
        "may 5 people come",
        "30 February 2024 x",
    ] {
        let found = one(none);
        assert!(
            found.iter().all(|f| f.0 != Kind::Date
                || f.2.is_empty() && none.starts_with("30")
                || f.2 == "2024-02"),
            "{none} {found:?}"
        );
    }
}

#[test]
fn money() {
    for (text, value, normalized) in [
        ("costs $1,234.50 in all", "$1,234.50", "USD 1234.50"),
        ("about €3 million in", "€3 million", "EUR 3000000"),
        ("EUR 1.234,56 total", "EUR 1.234,56", "EUR 1234.56"),
        ("paid 45 dollars for", "45 dollars", "USD 45"),
        ("1,500 USD due", "1,500 USD", "USD 1500"),
        ("£2.5bn loss", "£2.5bn", "GBP 2500000000"),
        ("收入4.5亿元。", "4.5亿元", "CNY 450000000"),
        ("共计人民币12万元整", "人民币12万元", "CNY 120000"),
        ("￥99.80", "￥99.80", "CNY 99.80"),
        ("300万美元", "300万美元", "USD 3000000"),
    ] {
        assert_one(text, Kind::Money, value, normalized);
    }
    assert!(one("12 people in 3 rooms").is_empty());
}

#[test]
fn addresses() {
    assert_one(
        "write to Ann.Lee@Example.org.",
        Kind::Email,
        "Ann.Lee@Example.org",
        "ann.lee@example.org",
    );
    assert_one(
        "邮箱zhang@example.cn。",
        Kind::Email,
        "zhang@example.cn",
        "zhang@example.cn",
    );
    assert_one(
        "see (https://a.example/b_(c)?d=1).",
        Kind::Url,
        "https://a.example/b_(c)?d=1",
        "",
    );
    assert_one(
        "doi 10.1000/xyz123.",
        Kind::Doi,
        "10.1000/xyz123",
        "10.1000/xyz123",
    );
    assert_one(
        "https://doi.org/10.1000/xyz",
        Kind::Url,
        "https://doi.org/10.1000/xyz",
        "",
    );
}

#[test]
fn identifiers() {
    let uuid = "123E4567-e89b-12d3-a456-426614174000";
    assert_one(
        &format!("id {uuid}"),
        Kind::Uuid,
        uuid,
        &uuid.to_lowercase(),
    );
    assert_one(
        "commit deadbeef12 is",
        Kind::Hex,
        "deadbeef12",
        "deadbeef12",
    );
    assert_one("Invoice INV-2024-0042 is", Kind::Code, "INV-2024-0042", "");
    assert_one(
        "to DE89 3704 0044 0532 0130 00 NOW",
        Kind::Iban,
        "DE89 3704 0044 0532 0130 00",
        "DE89370400440532013000",
    );
    assert_one(
        "ISBN 978-3-16-148410-0",
        Kind::Isbn,
        "978-3-16-148410-0",
        "9783161484100",
    );
    assert_one(
        "ISBN: 0-306-40615-2",
        Kind::Isbn,
        "0-306-40615-2",
        "0306406152",
    );
    assert_one(
        "call +1 (555) 010-9999 now",
        Kind::Phone,
        "+1 (555) 010-9999",
        "+15550109999",
    );
    assert_one(
        "电话：13800138000",
        Kind::Phone,
        "13800138000",
        "13800138000",
    );
    assert_one(
        "(555) 010-9999",
        Kind::Phone,
        "(555) 010-9999",
        "5550109999",
    );
    assert!(one("the defaced facade of 12345678 houses").is_empty());
    assert!(
        one("DE88 3704 0044 0532 0130 00")
            .iter()
            .all(|f| f.0 != Kind::Iban)
    );
}

fn field(lines: &[ReadLine], name: &str) -> Vec<String> {
    extract(lines, &[name])
        .into_iter()
        .filter(|e| e.kind == Kind::Field(name.to_owned()))
        .map(|e| e.value)
        .collect()
}

#[test]
fn named_fields() {
    for (text, value) in [
        ("Invoice number: INV-7 ", "INV-7"),
        ("invoice number is A 12. Then more.", "A 12"),
        ("Invoice Number\tB-3", "B-3"),
        ("| Invoice number | C9 | x |", "C9"),
        ("Invoice number ........ 77", "77"),
        ("Invoice number (yours): 5; Date: today", "5"),
        ("Invoicc numbcr: 8", "8"),
    ] {
        assert_eq!(
            field(&[line(1, 1, text)], "Invoice number"),
            [value],
            "{text}"
        );
    }
    assert_eq!(
        field(
            &page(&["Invoice number:", "INV-9", "Date: x"]),
            "Invoice number"
        ),
        ["INV-9"]
    );
    assert_eq!(
        field(&page(&["Invoice number", "INV-9"]), "Invoice number"),
        ["INV-9"]
    );
    assert_eq!(
        field(&page(&["发票号码：12345，日期：今天"]), "发票号码"),
        ["12345"]
    );
    assert_eq!(
        field(&page(&["联系人：张三", "地址：北京市"]), "联系人"),
        ["张三"]
    );
    assert_eq!(field(&page(&["联系人是李四。"]), "联系人"), ["李四"]);
    let wrapped = [
        "as agreed, the invoice number is",
        "INV-9. Then it goes on.",
    ];
    assert_eq!(field(&page(&wrapped), "invoice number"), ["INV-9"]);
    let table = page(&["Name | Age | Town", "-----|-----|-----", "Ann | 30 | Bath"]);
    assert_eq!(field(&table, "Age"), ["30"]);
    assert!(
        field(
            &page(&["We discuss the invoice number here"]),
            "Invoice number"
        )
        .is_empty()
    );
    assert!(field(&page(&["Invoice number:", "Date:"]), "Invoice number").is_empty());
}

#[test]
fn fields_are_normalized_and_do_not_overlap() {
    let read = page(&["Due date: 5 March 2024", "Total: $1,200.00"]);
    let found = extract(&read, &["Due date", "Total"]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(found[0].normalized.as_deref(), Some("2024-03-05"));
    assert_eq!(found[1].normalized.as_deref(), Some("USD 1200.00"));
    let read = page(&["Remarks: please write to ann@example.org before the end of the week"]);
    let found = extract(&read, &["Remarks"]);
    assert_eq!(
        found.len(),
        2,
        "a long value leaves the address to be found: {found:#?}"
    );
}

#[test]
fn values_wrap_over_lines_and_pages() {
    let mut read = vec![
        line(1, 48, "it was signed on March"),
        line(2, 1, "5, 2024 and sent to ann.lee@exam"),
        line(2, 2, "ple.org by 2024年3"),
        line(2, 3, "月9日"),
    ];
    read[1].continues = true;
    read[1].confidence = 0.5;
    let found = plain(&read);
    let values: Vec<&str> = found.iter().map(|e| e.value.as_str()).collect();
    assert_eq!(
        values,
        ["March 5, 2024", "ann.lee@example.org", "2024年3 月9日"]
    );
    assert!(
        (found[0].confidence - 0.5).abs() < 1e-6,
        "the lowest of both lines"
    );
    assert_eq!(
        (found[0].page, found[0].line, found[0].bbox),
        (1, 48, read[0].bbox)
    );
    assert_eq!(found[1].bbox, read[1].bbox.union(read[2].bbox));
    let long =
        "Delivery address: The Old Boat House behind the third and largest of the sheds, 14 Quay";
    let read = page(&[long, "Street, Lisbon", "Phone: none"]);
    assert!(field(&read, "Delivery address")[0].ends_with("14 Quay Street, Lisbon"));
    // A blank row lies between.
    assert!(
        plain(&page(&["on March", "", "5, 2024"]))
            .iter()
            .all(|e| !e.value.contains("2024"))
    );
}

#[test]
fn sorted_without_overlap() {
    let read = page(&[
        "$5 on 2024-01-02 to a@b.org, INV-2024-01 https://x.org/2024-05-06 and +49 30 1234567",
    ]);
    let found = plain(&read);
    assert_eq!(found.len(), 6, "{found:#?}");
    let places: Vec<usize> = found
        .iter()
        .map(|e| {
            read[0]
                .text
                .find(&e.value)
                .expect("the value is on the line")
        })
        .collect();
    assert!(places.is_sorted());
}

#[test]
fn chooses_candidate_lines() {
    let mut texts = vec!["nothing of interest stands here"; 12];
    texts[3] = "paid on 5 June";
    texts[8] = "Invoicc numbcr follows";
    let chosen = candidate_lines(&page(&texts), &["Invoice number"]);
    let picked: Vec<usize> = (0..12).filter(|&i| chosen[i]).collect();
    assert_eq!(picked, [2, 3, 4, 7, 8, 9]);
    let chosen = candidate_lines::<&str>(&page(&["签于二〇二四年", "a", "b"]), &[]);
    assert_eq!(chosen, [true, true, false]);
    let noise = noisy(
        &page(&["Total: $12,345.00 by 2024-05-06", "x"]),
        3,
        &mut Random::new(5),
    );
    assert!(candidate_lines::<&str>(&noise, &[])[0]);
}

#[test]
fn a_line_end_between_ideographs_is_no_space() {
    let read = page(&["合同总价为人民币9,800万", "元，于2024年3", "月5日付清。"]);
    let found = extract::<&str>(&read, &[]);
    let money = found
        .iter()
        .find(|e| e.normalized.as_deref() == Some("CNY 98000000"));
    let money = money.unwrap_or_else(|| panic!("{found:?}"));
    assert!(money.value.ends_with("9,800万元"), "{money:?}");
    assert!(money.context.contains("9,800万元"), "{money:?}");
    // Other line ends stay spaces.
    let read = page(&["The total is USD", "4,200."]);
    let found = extract::<&str>(&read, &[]);
    assert_eq!(found[0].value, "USD 4,200");
}
