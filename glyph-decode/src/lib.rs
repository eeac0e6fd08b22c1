//! Turns vision tokens into text: the built-in reader and its confidences.
