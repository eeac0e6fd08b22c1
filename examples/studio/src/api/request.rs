//! The body of a request for a task, in one place for all endpoints that take one.

/// Defines a body: the fields of a [`Task`](crate::task::Task) but for its mode, and those that
/// the endpoint takes besides.
macro_rules! task_request {
    (
        $(#[$about:meta])*
        $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* }
    ) => {
        $(#[$about])*
        #[derive(Debug, serde::Deserialize, utoipa::ToSchema)]
        #[serde(deny_unknown_fields)]
        pub(super) struct $name {
            /// The document.
            document_id: String,
            /// The question, for `ask`.
            #[serde(default)]
            question: Option<String>,
            /// How many sentences, for `summarize`; 5 by default.
            #[serde(default)]
            sentences: Option<usize>,
            /// Names of fields to look for, for `extract`.
            #[serde(default)]
            fields: Vec<String>,
            /// A JSON schema that a writer is to fill in, for `extract`.
            #[serde(default)]
            #[schema(value_type = Option<Object>)]
            schema: Option<serde_json::Value>,
            /// How the pages look that a vision-language writer sees.
            #[serde(default)]
            render: Option<crate::style::Style>,
            /// Vision tokens that the crops may cost.
            #[serde(default)]
            max_vision_tokens: Option<usize>,
            /// The model that writes; without one the document is quoted.
            #[serde(default)]
            writer: Option<String>,
            $($(#[$attribute])* $field: $type,)*
        }

        impl $name {
            fn into_task(self, mode: crate::task::Mode) -> crate::task::Task {
                crate::task::Task {
                    document_id: self.document_id,
                    mode,
                    question: self.question,
                    sentences: self.sentences,
                    fields: self.fields,
                    schema: self.schema,
                    render: self.render,
                    max_vision_tokens: self.max_vision_tokens,
                    writer: self.writer,
                }
            }
        }
    };
}

pub(super) use task_request;
