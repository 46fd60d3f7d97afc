// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What JavaScript clients of the hosted service do: a form of the fields, posted with axios.
// Reads {url, key, fields, mend, accept, options} from standard input, and prints what became of it.

const axios = require("axios");
const FormData = require("form-data");

const { url, key, fields, mend, accept, options } = JSON.parse(require("fs").readFileSync(0));

async function main() {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) {
    form.append(name, mend ? String(value) : value);
  }
  const headers = { "x-api-key": key, ...form.getHeaders(), ...(accept && { accept }) };
  const response = await axios.post(url, form, { headers, ...options });
  const data = Buffer.isBuffer(response.data) ? response.data.toString("base64") : response.data;
  return { status: response.status, headers: response.headers, type: typeof response.data, data };
}

main()
  .catch((error) => ({ error: error.message, status: error.response?.status, data: error.response?.data }))
  .then((told) => console.log(JSON.stringify(told)))
  .then(() => process.exit(0)); // a form that broke off holds its connection, until the service has enough
