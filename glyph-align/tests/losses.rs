//! Losses and their gradients are those of PyTorch (`tools/parity/losses.py` makes the fixture).

use burn::tensor::{Device, Gradients, Tensor, TensorData};
use glyph_align::{
    AlignError, AlignmentLossConfig, InfoNceLossConfig, SemanticAlignmentLoss, SigLipLossConfig,
};
use safetensors::SafeTensors;

const TEMPERATURE: f64 = 0.2;
const SCALE: f64 = 1.5;
const BIAS: f64 = -2.0;

struct Case<'a> {
    file: &'a SafeTensors<'a>,
    name: &'static str,
    text: Tensor<2>,
    image: Tensor<2>,
}

impl<'a> Case<'a> {
    fn new(file: &'a SafeTensors<'a>, name: &'static str, device: &Device) -> Self {
        let load = |part: &str| {
            let tensor = file.tensor(&format!("{name}.{part}")).expect("a tensor");
            let data = TensorData::new(
                floats(tensor.data()),
                [tensor.shape()[0], tensor.shape()[1]],
            );
            Tensor::<2>::from_data(data, device).require_grad()
        };
        Self {
            file,
            name,
            text: load("text"),
            image: load("image"),
        }
    }

    fn assert(&self, part: &str, found: TensorData) {
        let key = format!("{}.{part}", self.name);
        let expected = floats(self.file.tensor(&key).expect("a tensor").data());
        let found: Vec<f32> = found.try_to_vec().expect("f32");
        assert_eq!(found.len(), expected.len(), "{key}");
        for (f, e) in found.iter().zip(&expected) {
            assert!(
                (f - e).abs() < 2e-5 * e.abs().max(1.0),
                "{key}: {f}, expected {e}"
            );
        }
    }

    /// Holds the loss and the gradients by both embeddings against PyTorch's.
    fn check(&self, loss: Result<Tensor<1>, AlignError>) -> Gradients {
        let loss = loss.expect("same shapes");
        self.assert("loss", loss.clone().into_data());
        let grads = loss.backward();
        for (part, x) in [("grad.text", &self.text), ("grad.image", &self.image)] {
            self.assert(part, x.grad(&grads).expect("a gradient").into_data());
        }
        grads
    }
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes
        .as_chunks()
        .0
        .iter()
        .map(|b| f32::from_le_bytes(*b))
        .collect()
}

#[test]
fn gradients_are_those_of_pytorch() {
    let device = Device::default().autodiff();
    let bytes = include_bytes!("fixtures/losses.safetensors");
    let file = SafeTensors::deserialize(bytes).expect("the script wrote it");
    let grad = |x: &Tensor<1>, grads: &Gradients| x.grad(grads).expect("it is learned").into_data();
    let info_nce_config = InfoNceLossConfig::new()
        .with_temperature(TEMPERATURE)
        .with_learned(true);
    let siglip_config = SigLipLossConfig::new()
        .with_logit_scale(SCALE)
        .with_logit_bias(BIAS);

    let case = Case::new(&file, "semantic", &device);
    case.check(SemanticAlignmentLoss::default().forward(case.text.clone(), case.image.clone()));

    let case = Case::new(&file, "info_nce", &device);
    let loss = info_nce_config.init(&device).expect("a temperature");
    let grads = case.check(loss.forward(case.text.clone(), case.image.clone()));
    case.assert("grad.logit_scale", grad(&loss.logit_scale.val(), &grads));

    let case = Case::new(&file, "siglip", &device);
    let loss = siglip_config.init(&device);
    let grads = case.check(loss.forward(case.text.clone(), case.image.clone()));
    case.assert("grad.logit_scale", grad(&loss.logit_scale.val(), &grads));
    case.assert("grad.logit_bias", grad(&loss.logit_bias.val(), &grads));

    let case = Case::new(&file, "weighted", &device);
    let loss = AlignmentLossConfig::new()
        .with_semantic_weight(0.5)
        .with_info_nce_weight(2.0)
        .with_siglip_weight(0.25)
        .with_info_nce(info_nce_config)
        .with_siglip(siglip_config)
        .init(&device)
        .expect("weights");
    let grads = case.check(loss.forward(case.text.clone(), case.image.clone()));
    let info_nce = loss.info_nce().expect("it has a weight");
    let siglip = loss.siglip().expect("it has a weight");
    case.assert(
        "grad.info_nce.logit_scale",
        grad(&info_nce.logit_scale.val(), &grads),
    );
    case.assert(
        "grad.siglip.logit_scale",
        grad(&siglip.logit_scale.val(), &grads),
    );
    case.assert(
        "grad.siglip.logit_bias",
        grad(&siglip.logit_bias.val(), &grads),
    );
}

#[test]
fn what_is_not_learned_has_no_gradient() {
    let device = Device::default().autodiff();
    let loss = InfoNceLossConfig::new()
        .init(&device)
        .expect("a temperature");
    let x = Tensor::<2>::eye(3, &device).require_grad();
    let grads = loss
        .forward(x.clone(), Tensor::ones([3, 3], &device))
        .expect("same shapes")
        .backward();
    assert!(x.grad(&grads).is_some());
    assert!(loss.logit_scale.val().grad(&grads).is_none());
}

#[test]
fn shapes_that_differ_are_named() {
    let device = Device::default();
    let (a, b) = (
        Tensor::<2>::ones([3, 4], &device),
        Tensor::<2>::ones([2, 4], &device),
    );
    let expected = "image_emb: expected shape [3, 4], found [2, 4]";
    let info_nce = InfoNceLossConfig::new()
        .init(&device)
        .expect("a temperature");
    let siglip = SigLipLossConfig::new().init(&device);
    let sum = AlignmentLossConfig::new().init(&device).expect("weights");
    for wrong in [
        info_nce.forward(a.clone(), b.clone()),
        siglip.forward(a.clone(), b.clone()),
        sum.forward(a, b),
    ] {
        assert_eq!(wrong.expect_err("shapes differ").to_string(), expected);
    }
}
