"""One training loop, used twice: pre-training on proxy images, fine-tuning on real ones."""
