// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// Talking to the service: one function that sends the key and turns every refusal into an error with a cure.

import { signal } from "@preact/signals";
import type { components } from "./schema";

export type Job = components["schemas"]["JobObject"];
export type Plan = components["schemas"]["Plan"];
export type Preview = components["schemas"]["Preview"];
export type Problem = components["schemas"]["Problem"];
export type Side = "front" | "left" | "back" | "right";
export type Value = string | number | null;
export type Recipe = Record<string, Value>;

export interface Model {
  id: string;
  installed: boolean;
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
// A seed may have 19 digits, a number of JavaScript holds 15: long ones stay text, which forms carry as they are.
const LONG_SEED = /"(seed|seed_used)":\s*(-?\d{16,})/g;

export const key = signal(localStorage.getItem(KEY) ?? "");
export const credits = signal<number | null>(null);
export const isAway = signal(false); // the service did not answer the last time

export class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status: number,
    readonly fields: { pointer: string; message: string }[] = [],
  ) {
    super(message);
  }
}

export function keepKey(text: string): void {
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
    throw new Refusal(
      "away",
      "The service does not answer. This page tries again by itself; nothing that was accepted is lost.",
      0,
    );
  }
  isAway.value = false;
  const left = response.headers.get("x-remaining-credits");
  if (left !== null) credits.value = Number(left);
  if (!response.ok) throw await refusal(response);
  return response;
}

export async function ask<T>(path: string, init: RequestInit = {}): Promise<T> {
  const text = await (await call(path, init)).text();
  return JSON.parse(text.replace(LONG_SEED, '"$1":"$2"')) as T;
}

/** The URL without its origin: the page may have been opened under another name of the same service. */
export function here(url: string): string {
  const { pathname, search } = new URL(url, location.origin);
  return pathname + search;
}

async function refusal(response: Response): Promise<Refusal> {
  const text = await response.text();
  try {
    const problem = JSON.parse(text) as Problem;
    return new Refusal(problem.code, problem.detail, response.status, problem.errors);
  } catch {
    return new Refusal("internal", `The service answered ${response.status}.`, response.status);
  }
}
