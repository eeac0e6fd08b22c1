use glyph_pipeline::Pipeline;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pipeline = Pipeline::builtin()?;
    let text = "The meeting is on Tuesday. The code of the door is 4711.";
    let reply = pipeline.ask_text(text, "What is the code of the door?")?;
    println!("{}", reply.output.text);
    Ok(())
}
