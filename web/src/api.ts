// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Calls to the service: sends the key, and turns every problem that the service answers into a Refusal.

import { signal } from "@preact/signals";
import type { components } from "./schema";

export type Job = components["schemas"]["JobObject"];
export type Plan = components["schemas"]["Plan"];
export type Preview = components["schemas"]["Preview"];
export type Problem = components["schemas"]["Problem"];
export type Warning = components["schemas"]["WarningObject"];
export type Value = string | number | null;
export type Recipe = Record<string, Value>;

/** An engine, as /api/v1/models describes it; `lacks`: what must be installed first. */
export interface Model {
  id: string;
  installed: boolean;
  summary?: string;
  version: string | null;
  licence: string | null;
  lacks: string | null;
  is_default: boolean;
  price: number;
  parameters: string[];
}
export interface LedgerRow {
  id: string;
  kind: string;
  credits: number;
  change: number;
  balance: number;
  job_id: string | null;
  note: string | null;
  at: string;
}

const KEY = "fourview.key";
// A seed may have 19 digits and a JavaScript number holds 15: longer seeds stay text, which forms send as it is.
const LONG_SEED = /"(seed|seed_used)":\s*(-?\d{16,})/g;

export const key = signal(localStorage.getItem(KEY) ?? "");
export const credits = signal<number | null>(null);
export const isAway = signal(false); // the service did not answer the last call

/** The service refused a call, or did not answer (`away`). `message` says what to do. */
export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

export function asRefusal(error: unknown): Refusal {
  if (error instanceof Refusal) return error;
  return new Refusal("internal", error instanceof Error ? error.message : String(error), 0);
}

export function storeKey(text: string): void {
  if (text) localStorage.setItem(KEY, text);
  else localStorage.removeItem(KEY);
  key.value = text;
  if (!text) credits.value = null;
}

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  const headers = new Headers(init.headers);
  if (key.value) headers.set("x-api-key", key.value);
  let response: Response;
  try {
    response = await fetch(path, { ...init, headers });
  } catch (error) {
    if (init.signal?.aborted) throw error;
    isAway.value = true;
    throw new Refusal("away", "The service does not answer. This page tries again by itself; nothing is lost.", 0);
  }
  isAway.value = false;
  const left = response.headers.get("x-remaining-credits");
  if (left !== null) credits.value = Number(left);
  if (!response.ok) throw await refusalOf(response);
  return response;
}

export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const text = await (await call(path, init)).text();
  return JSON.parse(text.replace(LONG_SEED, '"$1":"$2"')) as T;
}

export async function askJson<T>(path: string, body: unknown): Promise<T> {
  const headers = { "content-type": "application/json" };
  return await ask<T>(path, { method: "POST", body: JSON.stringify(body), headers });
}

/** Path and query of a URL: the page may have been opened under another name of the same service. */
export function pathOf(url: string): string {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

async function refusalOf(response: Response): Promise<Refusal> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Problem;
    return new Refusal(problem.code, problem.detail, response.status);
  } catch {
    return new Refusal("internal", `The service answered ${response.status}.`, response.status);
  }
}
