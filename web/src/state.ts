// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// What the page knows, and everything that changes it.

import { computed, effect, signal } from "@preact/signals";
import type { Job, Model, Plan, Preview, Recipe, Side, Value } from "./api";
import { ask, call, credits, here, isAway, keepKey, key, Refusal } from "./api";
import type { Picture, Pictures } from "./picture_store";
import { forget, keep, kept } from "./picture_store";
import { fitted } from "./shrink";
import { place, SIDES } from "./side_from_name";

export interface Field {
  name: string;
  type: "integer" | "number" | "string";
  optional: boolean;
  choices: string[] | null;
  low: number | null;
  high: number | null;
  text: string;
  fallback: Value;
}
export interface Notice {
  code: string;
  message: string;
  field: string | null;
}

const FINAL = ["succeeded", "failed", "canceled", "expired"];
const PRICE_MS = 250; // after the last change
const POLL_MS = 2500; // of what waits, whose place in the queue is no event
const STREAMS_MAX = 3; // a browser opens six connections to a service, for all its tabs
const BACK_MS = 8000; // that its return is told
const PIXEL = "data:image/png;base64,iVBORw0KGgo="; // a price asks for a picture, and looks at none

export const tab = signal(tabOf(location.hash));
export const needsKey = signal(true);
export const document_ = signal<Record<string, any> | null>(null); // the OpenAPI document
export const models = signal<Model[]>([]);
export const pictures = signal<Pictures>({});
export const showsCutouts = signal(false);
export const isLooking = signal(false); // a preview is on its way
export const remarks = signal<Notice[]>([]); // what the pictures disagree on
export const pictureFault = signal(""); // of the files that were given last
export const lookFault = signal(""); // why there is no preview
export const recipe = signal<Recipe>(readRecipe());
export const plan = signal<Plan | null>(null);
export const planFault = signal<Refusal | null>(null);
export const jobs = signal<Record<string, Job>>({});
export const nextPage = signal<string | null>(null);
export const chosen = signal<string | null>(localStorage.getItem("fourview.chosen"));
export const submitting = signal(false);
export const fault = signal<Refusal | null>(null); // why the last click did nothing
export const isBack = signal(false); // for a moment, after the service was away
export const shared = signal<string | null>(null); // a model that a link shows to anybody
export const said = signal(""); // for whoever listens instead of looking

export const isIn = computed(() => !needsKey.value || key.value !== "");
export const runs = computed(() => Object.values(jobs.value).sort((a, b) => b.created_at.localeCompare(a.created_at)));
export const job = computed(() => (chosen.value ? (jobs.value[chosen.value] ?? null) : null));

export const fields = computed<Field[]>(() => {
  const post = document_.value?.paths?.["/api/v1/jobs"]?.post;
  const properties =
    post?.requestBody?.content?.["application/json ; charset=utf-8"]?.schema?.properties?.recipe?.properties ?? {};
  return Object.entries<any>(properties).map(([name, schema]) => {
    const types: string[] = [schema.type].flat();
    return {
      name,
      type: types[0] as Field["type"],
      optional: types.includes("null"),
      choices: schema.enum?.filter((choice: Value) => choice !== null) ?? null,
      low: schema.minimum ?? null,
      high: schema.maximum ?? null,
      text: schema.description,
      fallback: schema.default ?? null,
    };
  });
});
export const engine = computed(() => {
  const name = recipe.value["engine"] ?? models.value.find((model) => model.is_default)?.id;
  return models.value.find((model) => model.id === name) ?? null;
});

export function isFinal(found: Job): boolean {
  return FINAL.includes(found.status);
}

function tabOf(hash: string): string {
  const name = hash.slice(1);
  return ["models", "docs", "account"].includes(name) ? name : "make";
}

function readRecipe(): Recipe {
  try {
    return JSON.parse(localStorage.getItem("fourview.recipe") ?? "{}") as Recipe;
  } catch {
    return {};
  }
}

export async function begin(): Promise<void> {
  addEventListener("hashchange", () => void followHash());
  effect(() => localStorage.setItem("fourview.recipe", JSON.stringify(recipe.value)));
  effect(() => {
    if (chosen.value) localStorage.setItem("fourview.chosen", chosen.value);
    else localStorage.removeItem("fourview.chosen");
  });
  await followHash();
  await describe();
  pictures.value = { ...(await kept("zones")), ...pictures.value }; // somebody may have been faster
  effect(() => {
    if (isIn.value) void enter();
  });
  effect(priceLater);
  effect(sayReturn);
  setInterval(() => void poll(), POLL_MS);
  addEventListener(
    "visibilitychange",
    () => void (document.hidden || !isIn.value || loadJobs().catch(() => undefined)),
  ); // links run out
}

/** What this service is and takes. */
async function describe(): Promise<void> {
  try {
    const asked = [
      ask<{ needs_key: boolean }>("/.well-known/fourview"),
      ask<Record<string, any>>("/openapi.json"),
    ] as const;
    const [about, found] = await Promise.all(asked);
    needsKey.value = about.needs_key;
    document_.value = found;
  } catch (error) {
    fault.value = asRefusal(error);
  }
}

let wasAway = false;

function sayReturn(): void {
  if (isAway.value) isBack.value = false;
  else if (wasAway) {
    isBack.value = true;
    setTimeout(() => (isBack.value = false), BACK_MS);
  }
  wasAway = isAway.value;
}

async function followHash(): Promise<void> {
  const signin = /^#signin=([A-Za-z0-9_-]+)$/.exec(location.hash);
  if (signin) {
    history.replaceState(null, "", "/");
    try {
      const body = JSON.stringify({ word: signin[1] });
      keepKey(
        (
          await ask<{ key: string }>("/api/v1/signin", {
            method: "POST",
            body,
            headers: { "content-type": "application/json" },
          })
        ).key,
      );
    } catch (error) {
      fault.value = asRefusal(error);
    }
  }
  const path = new URLSearchParams(location.hash.slice(1)).get("view") ?? "";
  shared.value = /^\/api\/v1\/jobs\/job_[0-9a-f]+\/files\/model\.glb\?/.test(path) ? path : null;
  tab.value = tabOf(location.hash);
}

/** What is there for this key. */
export async function enter(): Promise<boolean> {
  try {
    const [account, found] = await Promise.all([
      ask<{ credits: number | null }>("/api/v1/keys/self"),
      ask<{ data: Model[] }>("/api/v1/models"),
    ]);
    credits.value = account.credits;
    models.value = found.data;
    fault.value = null;
    await loadJobs();
    if (pictures.value.front && !pictures.value.front.cutout) void look();
    return true;
  } catch (error) {
    const refused = asRefusal(error);
    if (refused.status === 401) keepKey("");
    fault.value = refused;
    return false;
  }
}

export function leave(): void {
  keepKey("");
  for (const stream of streams.values()) stream.close();
  streams.clear();
  jobs.value = {};
  chosen.value = null;
  models.value = [];
  plan.value = null;
}

// Pictures

export async function addPictures(files: readonly File[], wanted?: Side): Promise<void> {
  pictureFault.value = "";
  const good = files.filter((file) => /^image\/(png|jpeg|webp)$/.test(file.type));
  if (good.length < files.length)
    pictureFault.value = "PNG, JPEG and WebP pictures can be used; the other files were left out.";
  const sides = place(
    good.map((file) => file.name),
    SIDES.filter((side) => pictures.value[side]),
    wanted,
  );
  const next = { ...pictures.value };
  let count = 0;
  for (const [index, file] of good.entries()) {
    const side = sides[index];
    if (!side) {
      pictureFault.value = "There are four sides; of more pictures than that the first four were taken.";
      continue;
    }
    try {
      next[side] = await fitted(file);
    } catch {
      pictureFault.value = `The file “${file.name}” is damaged or is no picture; save it anew as PNG, JPEG or WebP.`;
      continue;
    }
    count += 1;
  }
  if (count) await setPictures(next);
}

export async function takeSample(name: string, kind: string): Promise<void> {
  try {
    const found = await Promise.all(
      SIDES.map(
        async (side) =>
          [
            side,
            { name: `${side}.${kind}`, blob: await (await call(`/samples/${name}/${side}.${kind}`)).blob() },
          ] as const,
      ),
    );
    pictureFault.value = "";
    await setPictures(Object.fromEntries(found));
  } catch (error) {
    pictureFault.value = asRefusal(error).message;
  }
}

export async function swap(from: Side, to: Side): Promise<void> {
  const next: Partial<Record<Side, Picture | undefined>> = {
    ...pictures.value,
    [from]: pictures.value[to],
    [to]: pictures.value[from],
  };
  await setPictures(Object.fromEntries(Object.entries(next).filter(([, picture]) => picture)) as Pictures);
  said.value = `${from} and ${to} changed places`;
}

export async function remove(side: Side): Promise<void> {
  const { [side]: _, ...rest } = pictures.value;
  await setPictures(rest);
}

/** Puts what an earlier run had into the drop zones and the settings. */
export async function takeUp(given: Pictures, parameters: Recipe): Promise<void> {
  recipe.value = parameters;
  await setPictures(given);
  said.value = "The pictures and settings are in their places";
}

async function setPictures(next: Pictures): Promise<void> {
  pictures.value = next;
  remarks.value = [];
  await keep("zones", next);
  await look();
}

let looking: AbortController | undefined;

/** Ask what is cut out of the pictures and what they disagree on: free, and at once. */
export async function look(): Promise<void> {
  looking?.abort();
  lookFault.value = "";
  const mine = (looking = new AbortController());
  const given = pictures.value;
  if (!given.front || !isIn.value) return;
  isLooking.value = true;
  const form = pictureForm(given);
  for (const name of ["remove_background", "matting_network"]) {
    const value = recipe.value[name];
    if (value !== undefined && value !== null) form.set(name, String(value));
  }
  try {
    const found = await ask<Preview>("/api/v1/views/preview", { method: "POST", body: form, signal: mine.signal });
    remarks.value = found.warnings;
    const next: Pictures = {};
    for (const side of SIDES) {
      const picture = pictures.value[side];
      const view = found.views[side];
      if (picture) next[side] = view ? { ...picture, cutout: view.cutout } : picture;
    }
    pictures.value = next;
    await keep("zones", next);
  } catch (error) {
    if (!mine.signal.aborted) lookFault.value = asRefusal(error).message;
  } finally {
    if (looking === mine) isLooking.value = false;
  }
}

function pictureForm(given: Pictures): FormData {
  const form = new FormData();
  for (const side of SIDES) {
    const picture = given[side];
    if (picture) form.set(side, picture.blob, `${side}.${picture.blob.type.split("/")[1] ?? "png"}`);
  }
  return form;
}

// Settings

export function setParameter(name: string, value: Value | undefined): void {
  const { [name]: _, ...rest } = recipe.value;
  recipe.value = value === undefined ? rest : { ...rest, [name]: value };
  if (name === "remove_background" || name === "matting_network") void look();
}

/** The parameters that were set and that the chosen engine reads. */
export function wanted(): Recipe {
  const known = engine.value?.parameters;
  return Object.fromEntries(Object.entries(recipe.value).filter(([name]) => !known || known.includes(name)));
}

let pricing: ReturnType<typeof setTimeout> | undefined;

function priceLater(): void {
  const parameters = wanted();
  if (!isIn.value || !models.value.length) return;
  clearTimeout(pricing);
  pricing = setTimeout(() => void price(parameters), plan.peek() ? PRICE_MS : 0);
}

async function price(parameters: Recipe): Promise<void> {
  const body = JSON.stringify({
    front: PIXEL,
    recipe: { ...parameters, ...(typeof parameters["seed"] === "string" ? { seed: 1 } : {}) },
  });
  try {
    const found = await ask<Plan>("/api/v1/jobs?dry_run=true", {
      method: "POST",
      body,
      headers: { "content-type": "application/json" },
    });
    plan.value = found;
    planFault.value = null;
  } catch (error) {
    planFault.value = asRefusal(error);
  }
}

// Runs

/** Makes a model: of what is in the drop zones, or of what an earlier run had. */
export async function run(given: Pictures = pictures.value, parameters: Recipe = wanted()): Promise<void> {
  const form = pictureForm(given);
  for (const [name, value] of Object.entries(parameters)) if (value !== null) form.set(name, String(value));
  submitting.value = true;
  fault.value = null;
  try {
    const made = await ask<Job>("/api/v1/jobs", {
      method: "POST",
      body: form,
      headers: { "idempotency-key": crypto.randomUUID?.() ?? String(Math.random()) },
    });
    await keep(made.id, given);
    show(made);
    chosen.value = made.id;
    said.value = "The run has begun";
    document.getElementById("stage")?.scrollIntoView({ block: "nearest" });
  } catch (error) {
    fault.value = asRefusal(error);
  } finally {
    submitting.value = false;
  }
}

export async function cancel(id: string): Promise<void> {
  try {
    show(await ask<Job>(`/api/v1/jobs/${id}/cancel`, { method: "POST" }));
  } catch (error) {
    if (asRefusal(error).code !== "job_final") fault.value = asRefusal(error);
    await refresh(id);
  }
}

export async function removeJob(id: string): Promise<void> {
  try {
    await call(`/api/v1/jobs/${id}`, { method: "DELETE" });
  } catch (error) {
    if (asRefusal(error).code !== "not_found") {
      fault.value = asRefusal(error);
      return;
    }
  }
  drop(id);
  await forget(id);
}

function drop(id: string): void {
  const { [id]: _, ...rest } = jobs.value;
  jobs.value = rest;
  if (chosen.value === id) chosen.value = runs.value[0]?.id ?? null;
}

export async function loadJobs(after?: string): Promise<void> {
  const page = await ask<{ data: Job[]; next: string | null }>(
    `/api/v1/jobs?limit=24${after ? `&after=${encodeURIComponent(after)}` : ""}`,
  );
  nextPage.value = page.next;
  page.data.forEach(show);
  const id = chosen.value;
  if (id && !jobs.value[id]) await refresh(id);
  if (!chosen.value || !jobs.value[chosen.value]) chosen.value = page.data[0]?.id ?? null;
}

export async function refresh(id: string): Promise<void> {
  try {
    show(await ask<Job>(`/api/v1/jobs/${id}`));
  } catch (error) {
    if (asRefusal(error).code !== "not_found") return;
    const known = jobs.value[id];
    if (known?.status === "succeeded")
      jobs.value = { ...jobs.value, [id]: { ...known, outputs: [], expires_at: null } }; // its time is over
    else drop(id);
  }
}

const streams = new Map<string, EventSource>();

function show(found: Job): void {
  const before = jobs.value[found.id];
  jobs.value = { ...jobs.value, [found.id]: found };
  if (isFinal(found)) {
    streams.get(found.id)?.close();
    streams.delete(found.id);
    if (before && !isFinal(before)) {
      said.value = `The run has ${found.status === "succeeded" ? "succeeded" : "ended: " + found.status}`;
      void ask("/api/v1/keys/self").catch(() => undefined); // what is left
    }
  } else if (!streams.has(found.id) && streams.size < STREAMS_MAX && (found.queue_position ?? 0) <= 1) follow(found);
}

/** The events of a job that runs or is the next to; the browser resumes a stream that breaks off. Others are asked for. */
function follow(found: Job): void {
  const stream = new EventSource(here(found.events_url));
  streams.set(found.id, stream);
  stream.onopen = () => (isAway.value = false);
  stream.onmessage = (message: MessageEvent<string>) => {
    const told = JSON.parse(message.data) as {
      type: string;
      status?: Job["status"];
      stage?: string;
      progress?: number;
    };
    const now = jobs.value[found.id];
    if (!now) return;
    if (told.type === "progress") {
      jobs.value = {
        ...jobs.value,
        [found.id]: {
          ...now,
          status: "running",
          stage: told.stage ?? now.stage,
          progress: told.progress ?? now.progress,
          queue_position: null,
        },
      };
    } else if (told.status && told.status !== now.status) void refresh(found.id);
  };
  stream.onerror = () => {
    if (stream.readyState === EventSource.CLOSED) streams.delete(found.id);
    setTimeout(() => void refresh(found.id), 1000); // tells whether the service is there
  };
}

async function poll(): Promise<void> {
  if (document.hidden) return;
  if (isAway.value) {
    if (!document_.value) await describe();
    if (isIn.value) await enter();
    return;
  }
  for (const found of runs.value)
    if (!isFinal(found) && (found.status === "queued" || !streams.has(found.id))) await refresh(found.id);
}

export function asRefusal(error: unknown): Refusal {
  return error instanceof Refusal
    ? error
    : new Refusal("internal", error instanceof Error ? error.message : String(error), 0);
}
