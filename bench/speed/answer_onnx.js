/*
 * bench/speed/answer_onnx.js: ONNX Runtime's side of bench/speed/answer.py, asked by lines of JSON.
 *
 *   node answer_onnx.js FOLDER THREADS
 *
 * FOLDER is where onnxruntime-node is installed.  Batches are made into tensors before the clock starts.
 */
'use strict';
const fs = require('fs');
const path = require('path');
const readline = require('readline');

const ort = require(path.join(process.argv[2], 'node_modules', 'onnxruntime-node'));
const threads = Number(process.argv[3]);

function readBatches(file) {
  const bytes = fs.readFileSync(file);
  const items = new Int32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const made = [];
  let at = 1;
  for (let k = 0; k < items[0]; k++) {
    const B = items[at];
    const T = items[at + 1];
    at += 2;
    made.push({
      rows: items.subarray(at, at + B),
      feeds: {
        length: new ort.Tensor('int32', items.slice(at + B, at + 2 * B), [B]),
        token: new ort.Tensor('int32', items.slice(at + 2 * B, at + 2 * B + T * B), [T, B]),
      },
    });
    at += 2 * B + T * B;
  }
  return made;
}

function writeOutputs(made, outputs, file) {
  const C = outputs[0].dims[1];
  const n = made.reduce((sum, batch) => sum + batch.rows.length, 0);
  const all = new Float32Array(n * C);
  made.forEach((batch, k) => batch.rows.forEach((row, b) => {
    all.set(outputs[k].data.subarray(b * C, (b + 1) * C), row * C);
  }));
  fs.writeFileSync(file, Buffer.from(all.buffer));
}

async function main() {
  let session = null;
  let made = null;
  for await (const line of readline.createInterface({input: process.stdin})) {
    const ask = JSON.parse(line);
    if (ask.do === 'versions') {
      console.log(JSON.stringify(ort.env.versions));
      continue;
    }
    if (ask.do === 'case') {
      made = readBatches(ask.batches);
      session = await ort.InferenceSession.create(ask.model, {
        executionProviders: ['cpu'], intraOpNumThreads: threads, interOpNumThreads: 1,
        executionMode: 'sequential', graphOptimizationLevel: 'all',
      });
    }
    const outputs = [];
    const wall = process.hrtime.bigint();
    const cpu = process.cpuUsage();
    for (const batch of made) {
      outputs.push((await session.run(batch.feeds)).probability);
    }
    const used = process.cpuUsage(cpu);
    const seconds = [Number(process.hrtime.bigint() - wall) * 1e-9, (used.user + used.system) * 1e-6];
    if (ask.do === 'case') {
      writeOutputs(made, outputs, ask.out);
    }
    console.log(JSON.stringify({seconds}));
  }
}

main();
