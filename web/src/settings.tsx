// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The settings: presets, the engine, every parameter with the range and the sentence that the service gives; the
// button that starts a run, with its price.

import { useState } from "preact/hooks";
import type { Model, Recipe, Value } from "./api";
import { credits } from "./api";
import { OutLink, Segments } from "./controls";
import { amount } from "./format";
import { pictures } from "./pictures";
import type { Field } from "./recipe";
import { engine, fields, plan, planRefusal, recipe, setParameter } from "./recipe";
import { isSubmitting, startRun } from "./runs";
import { isSignedIn, models, needsKey, refusal } from "./session";
import { FRONT } from "./sides";

const PRESETS: Record<string, Recipe> = {
  draft: { octree_resolution: 128, target_face_num: 5000, texture_size: 512, steps: 15 },
  standard: {},
  high: { octree_resolution: 384, target_face_num: 60000, texture_size: 2048, steps: 50 },
};
const PRESET_PARAMETERS = ["octree_resolution", "target_face_num", "texture_size", "steps"];
const FIRST = ["target_face_num", "octree_resolution", "texture_size", "texture", "seed"]; // always open, in this order
const HIDDEN = ["engine", "num_chunks"]; // chosen above; changes memory alone, never the result
const LABELS: Record<string, string> = {
  target_face_num: "Faces",
  octree_resolution: "Detail of the shape",
  file_type: "Format",
  height_m: "Height in metres",
  guidance_scale: "Guidance",
  remove_background: "Background",
};
const FACTOR_RANGE = 20; // a slider over more than this factor is logarithmic

/** The label of a parameter: its name in words where the table has none. */
function labelOf(parameter: string): string {
  const words = LABELS[parameter] ?? parameter.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

function currentPreset(): string | undefined {
  const valuesOf = (given: Recipe | undefined) =>
    JSON.stringify(PRESET_PARAMETERS.map((name) => given?.[name] ?? null));
  return Object.keys(PRESETS).find((preset) => valuesOf(PRESETS[preset]) === valuesOf(recipe.value));
}

function choosePreset(preset: string): void {
  const rest = Object.entries(recipe.value).filter(([name]) => !PRESET_PARAMETERS.includes(name));
  recipe.value = { ...Object.fromEntries(rest), ...PRESETS[preset] };
}

export function Settings() {
  const known = engine.value?.parameters;
  const shown = fields.value.filter(({ name }) => !HIDDEN.includes(name) && (!known || known.includes(name)));
  const first = FIRST.flatMap((name) => shown.filter((field) => field.name === name));
  const rest = shown.filter((field) => !FIRST.includes(field.name));
  const reset = () => {
    recipe.value = {};
  };
  return (
    <section class="settings" aria-labelledby="settings-title">
      <header>
        <h2 id="settings-title">Settings</h2>
        {Object.keys(recipe.value).length > 0 && (
          <button type="button" class="link" onClick={reset}>
            Reset
          </button>
        )}
      </header>
      <Segments
        label="Preset"
        group="preset"
        names={Object.keys(PRESETS)}
        value={currentPreset()}
        onChoose={choosePreset}
      />
      {models.value.length > 1 && <Engines />}
      {known && !known.includes("seed") && (
        <p class="sub">
          {engine.value?.id} always gives the same result for the same pictures and settings; it needs no seed.
        </p>
      )}
      {first.map((field) => (
        <Control key={field.name} field={field} />
      ))}
      {rest.length > 0 && (
        <details>
          <summary>All settings</summary>
          {rest.map((field) => (
            <Control key={field.name} field={field} />
          ))}
        </details>
      )}
    </section>
  );
}

function Engines() {
  const hasSummaries = models.value.every((model) => model.summary);
  return (
    <fieldset class="engines">
      <legend>Engine</legend>
      {models.value.map((model) => (
        <label key={model.id} class={model.installed ? "" : "off"}>
          <input
            type="radio"
            name="engine"
            disabled={!model.installed}
            checked={engine.value?.id === model.id}
            onChange={() => setParameter("engine", model.is_default ? undefined : model.id)}
          />
          <span>
            <b>{model.id}</b> <small>{factsOf(model)}</small>
          </span>
        </label>
      ))}
      {!hasSummaries && <p class="sub">{fields.value.find((field) => field.name === "engine")?.text}</p>}
    </fieldset>
  );
}

function factsOf(model: Model): string {
  const state = model.installed ? model.licence : `not installed: needs ${model.lacks ?? "its package"}`;
  return [model.summary, state].filter(Boolean).join(" · ");
}

function Control({ field }: { field: Field }) {
  const id = `parameter-${field.name}`;
  const set = recipe.value[field.name];
  const planned = plan.value?.recipe[field.name] as Value | undefined; // what the engine takes where nothing is set
  const value = set === undefined ? (field.fallback ?? planned ?? null) : set;
  const put = (next: Value) => setParameter(field.name, next === field.fallback ? undefined : next);
  const isSeed = field.name === "seed";
  return (
    <div class={`parameter ${set === undefined ? "" : "set"}`}>
      <label for={id}>{labelOf(field.name)}</label>
      {isSeed ? (
        <Seed id={id} value={value} put={put} />
      ) : field.choices ? (
        <Choice id={id} field={field} choices={field.choices} value={value} put={put} />
      ) : (
        <Numeric id={id} field={field} value={value} put={put} />
      )}
      <p id={`${id}-text`}>
        {field.text.replace(/ \(engine .*\)$/, "")}
        {field.low !== null && !isSeed && (
          <span class="range">
            {" "}
            {amount(field.low)} – {amount(field.high)}
          </span>
        )}
      </p>
    </div>
  );
}

interface ControlProps {
  id: string;
  value: Value;
  put: (next: Value) => void;
}

function Choice({ id, field, choices, value, put }: ControlProps & { field: Field; choices: string[] }) {
  return (
    <select
      id={id}
      aria-describedby={`${id}-text`}
      value={String(value ?? "")}
      onChange={(event) => put(event.currentTarget.value || null)}
    >
      {field.optional && <option value="">not set</option>}
      {choices.map((choice) => (
        <option key={choice} value={choice}>
          {choice}
        </option>
      ))}
    </select>
  );
}

function Numeric({ id, field, value, put }: ControlProps & { field: Field }) {
  const { input, isRejected } = useDraft(value === null ? "" : String(value), (typed) => {
    const isCleared = typed.trim() === "" && field.optional;
    const found = isCleared ? null : numberOf(typed, field);
    if (found !== undefined) put(found);
    return found !== undefined;
  });
  return (
    <>
      <span class="pair">
        <input
          type="range"
          min="0"
          max="1"
          step="0.005"
          value={shareOf(value, field)}
          aria-label={`${labelOf(field.name)}, slider`}
          aria-valuetext={String(value ?? "not set")}
          onInput={(event) => put(valueAt(Number(event.currentTarget.value), field))}
        />
        <input
          id={id}
          inputMode="decimal"
          autocomplete="off"
          placeholder="–"
          aria-invalid={isRejected}
          aria-describedby={`${id}-text`}
          {...input}
        />
      </span>
      {isRejected && (
        <p class="wrong" role="alert">
          {expectation(field)}
        </p>
      )}
    </>
  );
}

/**
 * An input whose text is taken on Enter or when it loses the focus. What is typed stays when the page renders again,
 * and when `take` rejects it, until the value changes.
 */
function useDraft(text: string, take: (typed: string) => boolean) {
  const [draft, setDraft] = useState({ typed: text, before: text, isRejected: false });
  const { typed, isRejected } = draft.before === text ? draft : { typed: text, isRejected: false };
  const keep = (next: string, rejects: boolean) => setDraft({ typed: next, before: text, isRejected: rejects });
  const onInput = (event: Event) => keep((event.currentTarget as HTMLInputElement).value, isRejected);
  const onChange = (event: Event) => {
    const next = (event.currentTarget as HTMLInputElement).value;
    const isTaken = take(next);
    keep(isTaken ? text : next, !isTaken);
  };
  return { input: { value: typed, onInput, onChange }, isRejected };
}

/** The number that a text says; undefined where the field does not accept it. */
function numberOf(text: string, field: Field): number | undefined {
  const number = Number(text);
  if (text.trim() === "" || !Number.isFinite(number)) return undefined;
  if (field.type === "integer" && !Number.isInteger(number)) return undefined;
  if (field.low !== null && number < field.low) return undefined;
  if (field.high !== null && number > field.high) return undefined;
  return number;
}

function expectation(field: Field): string {
  const noun = field.type === "integer" ? "a whole number" : "a number";
  return `Enter ${noun} from ${amount(field.low)} to ${amount(field.high)}.`;
}

/** Where a value stands on its slider, 0 to 1. */
function shareOf(value: Value, field: Field): number {
  const { low, high } = rangeOf(field);
  if (value === null) return 0;
  return isLogarithmic(field)
    ? Math.log(Number(value) / low) / Math.log(high / low)
    : (Number(value) - low) / (high - low);
}

/** The value at a place on the slider, rounded to steps that can be hit. */
function valueAt(share: number, field: Field): number {
  const { low, high } = rangeOf(field);
  const exact = isLogarithmic(field) ? low * (high / low) ** share : low + share * (high - low);
  if (field.type !== "integer") return Number(exact.toPrecision(3));
  const step = exact >= 10000 ? 1000 : exact >= 1000 ? 100 : exact >= 64 ? 16 : 1;
  return Math.min(high, Math.max(low, Math.round(exact / step) * step));
}

function isLogarithmic(field: Field): boolean {
  const { low, high } = rangeOf(field);
  return low > 0 && high / low > FACTOR_RANGE;
}

function rangeOf(field: Field): { low: number; high: number } {
  return { low: field.low ?? 0, high: field.high ?? 1 };
}

function Seed({ id, value, put }: ControlProps) {
  const isLocked = String(value) !== "-1";
  const { input } = useDraft(isLocked ? String(value) : "new each time", (typed) => {
    if (!/^\d{1,19}$/.test(typed)) return false;
    put(typed.length > 15 ? typed : Number(typed)); // a long one stays text, see api.ts
    return true;
  });
  return (
    <span class="pair">
      <input
        id={id}
        inputMode="numeric"
        autocomplete="off"
        disabled={!isLocked}
        aria-describedby={`${id}-text`}
        {...input}
      />
      <label class="check">
        <input
          type="checkbox"
          checked={isLocked}
          onChange={(event) => put(event.currentTarget.checked ? Math.floor(Math.random() * 1e9) : -1)}
        />{" "}
        Lock
      </label>
    </span>
  );
}

/** The button that starts a run, with the price on it, and why it cannot be pressed. */
export function StartButton() {
  const cost = plan.value?.cost;
  const obstacle = obstacleTo(cost);
  const candidates = isSignedIn.value ? [refusal.value, planRefusal.value] : []; // the sign-in form shows its own
  const shown = candidates.find((one) => one && one.code !== "away"); // the banner shows that the service is away
  return (
    <div class="go">
      {shown && (
        <p class="note bad" role="alert">
          {shown.message} <OutLink href={`/errors/${shown.code}`}>{shown.code}</OutLink>
        </p>
      )}
      {obstacle && (
        <p class={obstacle.isSerious ? "note warn" : "sub"} id="go-why">
          {obstacle.text}
        </p>
      )}
      <button
        type="button"
        class="primary"
        aria-describedby={obstacle ? "go-why" : undefined}
        disabled={Boolean(obstacle) || isSubmitting.value}
        onClick={() => void startRun()}
      >
        <span>{isSubmitting.value ? "Sending …" : "Make the model"}</span>
        {cost !== undefined && <span class="price">{needsKey.value ? `${cost} credits` : "free"}</span>}
      </button>
    </div>
  );
}

/** Why no run can be started now. */
function obstacleTo(cost: number | undefined): { text: string; isSerious: boolean } | null {
  if (!isSignedIn.value) return { text: "Sign in first.", isSerious: false };
  if (!pictures.value[FRONT]) {
    return { text: "Add a front picture. More sides make a better model.", isSerious: false };
  }
  const left = credits.value;
  if (!needsKey.value || left === null || cost === undefined || left >= cost) return null;
  const cure = left ? "Choose a smaller preset, or ask" : "Ask";
  const text = `This run costs ${cost} credits and you have ${left}. ${cure} the operator of this service for more.`;
  return { text, isSerious: true };
}
