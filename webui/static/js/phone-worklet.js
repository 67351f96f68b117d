/* Sound of one telephone in the browser: 8 kHz blocks of 160 samples there, the sound card's rate here. */
"use strict";

const TELEPHONE_HZ = 8000;
const BLOCK = 160;
const START_BLOCKS = 3; // 60 ms evens out the network's jitter
const MOST_BLOCKS = 12; // more than this waiting is delay nobody wants: skip ahead
const ZERO_CROSSINGS = 12;
const TABLE_STEPS = 256;

/** Windowed-sinc resampler for a stream of pieces of any length (Smith, "Digital Audio Resampling"). */
class Resampler {
  constructor(fromHz, toHz) {
    this.step = fromHz / toHz;
    this.cutoff = Math.min(1, toHz / fromHz) * 0.95;
    this.half = Math.ceil(ZERO_CROSSINGS / this.cutoff);
    const size = this.half * TABLE_STEPS + 2;
    this.table = new Float32Array(size);
    for (let i = 0; i < size; i++) {
      const x = i / TABLE_STEPS;
      const a = Math.PI * x * this.cutoff;
      const window = x < this.half ? 0.5 + 0.5 * Math.cos((Math.PI * x) / this.half) : 0;
      this.table[i] = this.cutoff * (x === 0 ? 1 : Math.sin(a) / a) * window;
    }
    this.held = new Float32Array(2 * this.half);
    this.position = this.half;
  }

  /** What comes out for these further samples. */
  push(input) {
    const all = new Float32Array(this.held.length + input.length);
    all.set(this.held);
    all.set(input, this.held.length);
    const out = [];
    while (this.position + this.half < all.length) {
      const first = Math.ceil(this.position - this.half + 1e-9);
      const last = Math.floor(this.position + this.half - 1e-9);
      let sum = 0;
      for (let n = first; n <= last; n++) sum += all[n] * this.table[Math.round(Math.abs(this.position - n) * TABLE_STEPS)];
      out.push(sum);
      this.position += this.step;
    }
    const drop = Math.max(0, Math.floor(this.position - this.half) - 1);
    this.held = all.slice(drop);
    this.position -= drop;
    return Float32Array.from(out);
  }
}

class PhoneProcessor extends AudioWorkletProcessor {
  constructor() {
    super();
    this.down = new Resampler(sampleRate, TELEPHONE_HZ);
    this.up = new Resampler(TELEPHONE_HZ, sampleRate);
    this.waiting = []; // pieces at the sound card's rate
    this.waitingLength = 0;
    this.offset = 0;
    this.playing = false;
    this.block = new Int16Array(BLOCK);
    this.filled = 0;
    this.spoken = 0;
    this.heard = 0;
    this.frames = 0;
    this.alive = true;
    this.perBlock = (sampleRate / TELEPHONE_HZ) * BLOCK;
    this.port.onmessage = ({ data }) => {
      if (data === "close") this.alive = false;
      else if (data === "flush") { this.waiting = []; this.waitingLength = 0; this.offset = 0; this.playing = false; }
      else this.receive(new Int16Array(data));
    };
  }

  receive(samples) {
    const scaled = new Float32Array(samples.length);
    for (let i = 0; i < samples.length; i++) scaled[i] = samples[i] / 32768;
    const piece = this.up.push(scaled);
    this.waiting.push(piece);
    this.waitingLength += piece.length;
    while (this.waitingLength > MOST_BLOCKS * this.perBlock && this.waiting.length > START_BLOCKS) {
      this.waitingLength -= this.waiting.shift().length - this.offset;
      this.offset = 0;
    }
    if (this.waitingLength >= START_BLOCKS * this.perBlock) this.playing = true;
  }

  process(inputs, outputs) {
    const out = outputs[0][0];
    if (out && this.playing) this.play(out);
    for (let c = 1; c < outputs[0].length; c++) outputs[0][c].set(out);
    const spoken = inputs[0][0];
    if (spoken) this.speak(spoken);
    this.frames += out?.length ?? 128;
    if (this.frames >= sampleRate / 15) {
      this.port.postMessage({ spoken: this.spoken, heard: this.heard });
      this.frames = 0;
      this.spoken = 0;
      this.heard = 0;
    }
    return this.alive;
  }

  play(out) {
    for (let i = 0; i < out.length; i++) {
      if (!this.waiting.length) { this.playing = false; break; }
      const value = this.waiting[0][this.offset++];
      this.waitingLength--;
      out[i] = value;
      if (Math.abs(value) > this.heard) this.heard = Math.abs(value);
      if (this.offset >= this.waiting[0].length) { this.waiting.shift(); this.offset = 0; }
    }
  }

  speak(input) {
    for (const value of this.down.push(input)) {
      if (Math.abs(value) > this.spoken) this.spoken = Math.abs(value);
      this.block[this.filled++] = Math.max(-32768, Math.min(32767, Math.round(value * 32767)));
      if (this.filled === BLOCK) {
        const full = this.block.buffer;
        this.port.postMessage(full, [full]);
        this.block = new Int16Array(BLOCK);
        this.filled = 0;
      }
    }
  }
}

registerProcessor("phone", PhoneProcessor);
