// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What a program does with the client that @hey-api/openapi-ts wrote: pictures go to every door, models come back.
// It is checked against the generated types, runs under Node, and prints what it got as JSON.

import { client } from "./client/client.gen";
import * as service from "./client/sdk.gen";

declare const process: { argv: string[] };
declare function require(name: string): any;
const { openAsBlob } = require("node:fs");

async function main(baseUrl: string, key: string, folder: string): Promise<void> {
  client.setConfig({ baseUrl, auth: key, throwOnError: true });
  const [front, left, back, right]: Blob[] = await Promise.all(
    ["front", "left", "back", "right"].map((side) => openAsBlob(`${folder}/${side}.png`, { type: "image/png" })),
  );
  const hosted = { front_image: front, left_image: left, back_image: back, right_image: right, seed: 7, randomize_seed: false };

  const v1 = await service.generateV1Hunyuan3d2MvPost({ body: hosted, parseAs: "arrayBuffer", throwOnError: true });
  const v2 = await service.enqueueV2Hunyuan3d2MvPost({ body: hosted, throwOnError: true });
  let job = (await service.makeJobApiV1JobsPost({ body: { front, left, back, right, tags: "a,b" }, throwOnError: true })).data;
  while (!("status" in job) || job.status !== "succeeded") {
    if (!("status" in job) || job.status === "failed") throw new Error(JSON.stringify(job));
    await new Promise((resolve) => setTimeout(resolve, 50));
    job = (await service.readJobApiV1JobsJobIdGet({ path: { job_id: job.id }, throwOnError: true })).data;
  }
  const path = { job_id: job.id, name: "model.glb" };
  const native = await service.readFileApiV1JobsJobIdFilesNameGet({ path, parseAs: "arrayBuffer", throwOnError: true });
  const upload = await service.uploadApiV1UploadsPost({ body: { file: front }, throwOnError: true });
  const preview = await service.previewApiV1ViewsPreviewPost({ body: { front }, throwOnError: true });

  const begins = (data: unknown) => new TextDecoder().decode((data as ArrayBuffer).slice(0, 4));
  console.log(
    JSON.stringify({
      models: [begins(v1.data), begins(native.data)],
      jobs: [v1.response.headers.get("x-job-id"), v2.data.request_id, job.id],
      upload: [upload.data.kind, upload.data.width],
      previewed: Object.keys(preview.data.views),
    }),
  );
}

const [baseUrl, key, folder] = process.argv.slice(2);
main(baseUrl!, key!, folder!);
