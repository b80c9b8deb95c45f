//! XML: documents written from nodes, bodies read as the members that JSON would have had.

use quick_xml::escape::escape;
use quick_xml::events::Event;
use quick_xml::{Reader, XmlVersion};

use super::Node;
use crate::json::{JsonError, MAX_DEPTH, Members, Value};

/// A document with a root of this name.
pub fn write(root: &str, node: &Node) -> String {
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    element(root, node, &mut out);
    out
}

fn element(name: &str, node: &Node, out: &mut String) {
    if matches!(node, Node::Nothing) {
        return;
    }
    out.extend(["<", name, ">"]);
    match node {
        Node::Nothing => {}
        Node::Text(text) => out.push_str(&escape(printable(text))),
        Node::Number(number) => out.push_str(&number.to_string()),
        Node::Flag(flag) => out.push_str(if *flag { "true" } else { "false" }),
        Node::Members(members) => members.iter().for_each(|(name, node)| element(name, node, out)),
        Node::List(name, nodes) => nodes.iter().for_each(|node| element(name, node, out)),
    }
    out.extend(["</", name, ">"]);
}

/// XML 1.0 knows no other control characters.
fn printable(text: &str) -> String {
    text.chars().filter(|c| !c.is_control() || matches!(c, '\t' | '\n' | '\r')).collect()
}

/// An element that is open.
struct Level {
    name: String,
    members: Vec<(String, Value)>,
    text: String,
}

/// The members below the root. Attributes count as members; elements of one name become a list. No document
/// type, so no entities but XML's own.
pub fn read(body: &str) -> Result<Members, JsonError> {
    let mut reader = Reader::from_str(body);
    let mut open: Vec<Level> = Vec::new();
    loop {
        match reader.read_event().map_err(|_| JsonError::NotXml)? {
            Event::Start(start) => {
                if open.len() == MAX_DEPTH {
                    return Err(JsonError::TooDeep);
                }
                open.push(level(&start)?);
            }
            Event::Empty(start) => {
                let level = level(&start)?;
                if let Some(root) = close(level, &mut open) {
                    return Ok(root);
                }
            }
            Event::End(_) => {
                let level = open.pop().ok_or(JsonError::NotXml)?;
                if let Some(root) = close(level, &mut open) {
                    return Ok(root);
                }
            }
            Event::Text(text) => append(&mut open, &text.xml10_content()),
            Event::CData(text) => append(&mut open, &text.xml10_content()),
            Event::GeneralRef(name) => append(&mut open, &resolved(&name)?),
            Event::DocType(_) | Event::Eof => return Err(JsonError::NotXml),
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
        }
    }
}

fn level(start: &quick_xml::events::BytesStart<'_>) -> Result<Level, JsonError> {
    let mut members = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|_| JsonError::NotXml)?;
        let name = attribute.key.local_name().as_ref().to_owned();
        // Namespaces say nothing that is asked for here.
        if !attribute.key.as_ref().starts_with("xmlns") {
            let value = attribute.normalized_value(XmlVersion::Implicit1_0).map_err(|_| JsonError::NotXml)?;
            members.push((name, Value::text(value)));
        }
    }
    Ok(Level { name: start.local_name().as_ref().to_owned(), members, text: String::new() })
}

fn append(open: &mut [Level], text: &str) {
    if let Some(level) = open.last_mut() {
        level.text.push_str(text);
    }
}

/// What one of XML's own references stands for.
fn resolved(name: &quick_xml::events::BytesRef<'_>) -> Result<String, JsonError> {
    if let Some(character) = name.resolve_char_ref().map_err(|_| JsonError::NotXml)? {
        return Ok(character.to_string());
    }
    quick_xml::escape::resolve_predefined_entity(name).map(str::to_owned).ok_or(JsonError::NotXml)
}

/// Adds a closed element to the one around it; answers its members if it is the root.
fn close(level: Level, open: &mut [Level]) -> Option<Members> {
    let Level { name, members, text } = level;
    let Some(outer) = open.last_mut() else { return Some(members.into_iter().collect()) };
    let value = if members.is_empty() {
        Value::text(text.trim())
    } else {
        Value::Object(members.into_iter().collect())
    };
    match outer.members.iter_mut().find(|(known, _)| *known == name) {
        None => outer.members.push((name, value)),
        Some((_, Value::List(values))) => values.push(value),
        Some((_, known)) => {
            let first = std::mem::replace(known, Value::Null);
            *known = Value::List(vec![first, value]);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_json(body: &str) -> Result<String, JsonError> {
        read(body).map(|members| members.to_json().to_string())
    }

    #[test]
    fn what_is_written_is_read_again() {
        let node = Node::Members(vec![
            ("Name", Node::text("a < b & \"c\"")),
            ("None", Node::Nothing),
            ("Many", Node::List("One", vec![Node::Number(1), Node::Flag(true)])),
        ]);
        let text = write("Root", &node);
        assert!(text.ends_with(
            "<Root><Name>a &lt; b &amp; &quot;c&quot;</Name><Many><One>1</One><One>true</One></Many></Root>"
        ));
        let read = read_json(&text).unwrap();
        assert_eq!(read, r#"{"Name":"a < b & \"c\"","Many":{"One":["1","true"]}}"#);
    }

    #[test]
    fn attributes_are_members_and_namespaces_are_not() {
        let body = r#"<p:A xmlns:p="urn:x" v="1"><p:B/>  <C>&#65;<![CDATA[<]]></C></p:A>"#;
        assert_eq!(read_json(body).unwrap(), r#"{"v":"1","B":"","C":"A<"}"#);
    }

    #[test]
    fn document_types_and_broken_documents_are_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>";
        for body in [bomb, "<a>&b;</a>", "<a>", "</a>", "", "text", "<a><b></a></b>"] {
            assert_eq!(read_json(body), Err(JsonError::NotXml), "{body}");
        }
        let deep = "<a>".repeat(40);
        assert_eq!(read_json(&deep), Err(JsonError::TooDeep));
    }
}
