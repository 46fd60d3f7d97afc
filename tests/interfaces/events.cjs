// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Reads a job's events as a browser does: no key, a signed URL, every message until the job has ended.

const { EventSource } = require("eventsource");

const source = new EventSource(process.argv[2]);
source.onmessage = (message) => {
  const event = JSON.parse(message.data);
  console.log(JSON.stringify({ id: message.lastEventId, ...event }));
  if (["succeeded", "failed", "canceled", "expired"].includes(event.status)) source.close();
};
