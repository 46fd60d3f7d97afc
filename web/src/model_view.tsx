// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The model in 3D, its measures, and the tools around it.

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Job } from "./api";
import { asRefusal, call } from "./api";
import { Segments } from "./controls";
import { saveFile } from "./downloads";
import { amount } from "./format";
import type { Pictures } from "./picture_store";
import { storedPictures } from "./picture_store";
import { setParameter } from "./recipe";
import { readsSeed, refreshRun } from "./runs";
import type { Side } from "./sides";
import { SIDE_NAMES } from "./sides";
import type { Bounds, Look, Size, Viewer } from "./viewer";

const LOOKS: readonly Look[] = ["textured", "clay", "wireframe", "normals"];
const HELP = "3D model. Arrow keys turn it, plus and minus zoom, 1 to 4 show a side, 0 resets the view.";
const BOUNDS_PX = 512; // the size at which a cut-out is searched for its subject
const FINE_M = 0.1; // lengths below are shown with four decimals

/** Shows the GLB at `path`; `job` is null where a link shares it. */
export function ModelView({ path, job }: { path: string; job: Job | null }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const frame = useRef<HTMLDivElement>(null);
  const viewer = useRef<Viewer | null>(null);
  const state = useSignal<"loading" | "shown" | "failed">("loading");
  const error = useSignal("");
  const size = useSignal<Size | null>(null);
  const look = useSignal<Look>("textured");
  const hasGrid = useSignal(true);
  const given = useSignal<Pictures>({});
  const side = useSignal<Side | null>(null);
  const opacity = useSignal(0.5);
  const overlayUrl = useRef("");

  useEffect(() => {
    let isClosed = false;
    const load = async () => {
      const [{ Viewer: Loaded }, glb, stored] = await Promise.all([
        import("./viewer"),
        call(path).then((response) => response.arrayBuffer()),
        job ? storedPictures(job.id) : undefined,
      ]);
      if (isClosed || !canvas.current) return;
      given.value = stored ?? {};
      viewer.current = new Loaded(canvas.current);
      size.value = (await viewer.current.show(glb)) ?? null;
      state.value = "shown";
    };
    load().catch((failure) => {
      if (isClosed) return;
      if (job && asRefusal(failure).code === "not_found") {
        void refreshRun(job.id);
        return;
      }
      state.value = "failed";
      error.value = explain(failure);
    });
    return () => {
      isClosed = true;
      viewer.current?.close();
      URL.revokeObjectURL(overlayUrl.current);
    };
  }, []);

  /** Look from a side, with its picture over the model where this browser has it. */
  const showSide = async (next: Side | null) => {
    side.value = next;
    const picture = next && given.value[next];
    if (!next || !picture) {
      viewer.current?.removeOverlay();
      if (next) viewer.current?.lookFrom(next);
      return;
    }
    URL.revokeObjectURL(overlayUrl.current);
    const url = picture.cutout ?? URL.createObjectURL(picture.blob);
    overlayUrl.current = url;
    await viewer.current?.overlay(next, url, await subjectBounds(url), opacity.value);
  };
  const reset = () => {
    side.value = null;
    viewer.current?.removeOverlay();
    viewer.current?.reset();
  };
  const saveScreenshot = async () => {
    const blob = await viewer.current?.screenshot();
    if (blob) saveFile(blob, "model.png");
  };
  const toggleFullScreen = async () => {
    if (document.fullscreenElement) await document.exitFullscreen();
    else await frame.current?.requestFullscreen();
  };

  return (
    <div class={`show ${state.value}`} ref={frame}>
      <div class="field">
        <canvas ref={canvas} tabIndex={0} role="img" aria-label={HELP} data-state={state.value} />
        {state.value === "loading" && (
          <p class="over" role="status">
            Loading the model …
          </p>
        )}
        {state.value === "failed" && (
          <p class="over" role="alert">
            {error.value}
          </p>
        )}
        {size.value && <p class="size">{size.value.map(metres).join(" × ")} m</p>}
        {side.value && given.value[side.value] && (
          <label class="blend">
            model{" "}
            <input
              type="range"
              min="0"
              max="1"
              step="0.02"
              value={opacity.value}
              aria-label="Opacity of the picture over the model"
              onInput={(event) => {
                opacity.value = Number(event.currentTarget.value);
                viewer.current?.setOverlayOpacity(opacity.value);
              }}
            />{" "}
            picture
          </label>
        )}
        {job?.mesh && <MeshFacts mesh={job.mesh} />}
      </div>
      {state.value !== "failed" && (
        <div class="tools" role="group" aria-label="View of the model">
          <Segments
            label="Shading"
            group={`look-${path}`}
            names={LOOKS}
            value={look.value}
            onChoose={(name) => {
              look.value = name;
              viewer.current?.setLook(name);
            }}
            isSmall
          />
          <div class="sides" role="group" aria-label="View from a side">
            {SIDE_NAMES.map((name) => (
              <button
                type="button"
                key={name}
                aria-pressed={side.value === name}
                title={given.value[name] ? `Lay the ${name} picture over the model` : `View from the ${name}`}
                onClick={() => void showSide(side.value === name ? null : name)}
              >
                {name}
                {given.value[name] && <i aria-hidden="true" />}
              </button>
            ))}
          </div>
          <span class="push" />
          <label class="check">
            <input
              type="checkbox"
              checked={hasGrid.value}
              onChange={(event) => {
                hasGrid.value = event.currentTarget.checked;
                viewer.current?.showGrid(hasGrid.value);
              }}
            />{" "}
            Grid
          </label>
          <button type="button" onClick={reset}>
            Reset view
          </button>
          <button type="button" onClick={() => void saveScreenshot()}>
            Screenshot
          </button>
          <button type="button" onClick={() => void toggleFullScreen()}>
            Full screen
          </button>
          {job && readsSeed(job) && (
            <button type="button" onClick={() => setParameter("seed", job.seed_used)}>
              Use this seed again
            </button>
          )}
        </div>
      )}
    </div>
  );
}

function MeshFacts({ mesh }: { mesh: NonNullable<Job["mesh"]> }) {
  const { components } = mesh;
  return (
    <ul class="health" aria-label="The mesh">
      <li>
        <b>{amount(mesh.faces)}</b> faces
      </li>
      <li>
        <b>{amount(mesh.vertices)}</b> vertices
      </li>
      <li class={mesh.watertight ? "good" : "bad"}>{mesh.watertight ? "watertight" : "has holes"}</li>
      <li class={mesh.manifold ? "good" : "bad"}>{mesh.manifold ? "manifold" : "not manifold"}</li>
      <li class={components === 1 ? "good" : "warn"}>{components === 1 ? "one piece" : `${components} pieces`}</li>
    </ul>
  );
}

function metres(length: number): string {
  return length.toFixed(length < FINE_M ? 4 : 3);
}

/** Why the model is not shown, and what helps. */
function explain(failure: unknown): string {
  const refusal = asRefusal(failure);
  if (refusal.code === "signature_invalid") return "This link has expired. Ask its sender for a new one.";
  if (/WebGL/.test(refusal.message)) {
    return "This browser cannot show 3D, because WebGL is off. The downloads below work without it.";
  }
  return refusal.message;
}

/** Where the subject is in a cut-out. */
async function subjectBounds(url: string): Promise<Bounds> {
  const picture = new Image();
  picture.src = url;
  await picture.decode();
  const width = Math.min(BOUNDS_PX, picture.naturalWidth);
  const height = Math.max(1, Math.round((width * picture.naturalHeight) / picture.naturalWidth));
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d");
  if (!context) return [0, 0, 1, 1];
  context.drawImage(picture, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  for (let index = 3; index < data.length; index += 4) {
    if ((data[index] ?? 0) < 128) continue;
    const x = ((index - 3) / 4) % width;
    const y = Math.floor((index - 3) / 4 / width);
    x0 = Math.min(x0, x);
    x1 = Math.max(x1, x + 1);
    y0 = Math.min(y0, y);
    y1 = Math.max(y1, y + 1);
  }
  return x1 > x0 ? [x0 / width, y0 / height, x1 / width, y1 / height] : [0, 0, 1, 1];
}
