// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The model on the screen: three.js, loaded when the first model is shown. Draws only when something has changed.
//
// The camera is orthographic, as those of the pictures are (CONVENTIONS.md): from its own side a picture covers the
// model exactly, its subject as large as the model's box seen from there.

import type { Material } from "three";
import {
  AmbientLight,
  Box3,
  type BufferGeometry,
  Color,
  DirectionalLight,
  DoubleSide,
  GridHelper,
  type Group,
  LineBasicMaterial,
  LineSegments,
  Mesh,
  MeshBasicMaterial,
  MeshNormalMaterial,
  MeshStandardMaterial,
  OrthographicCamera,
  PlaneGeometry,
  Scene,
  SRGBColorSpace,
  Texture,
  Vector3,
  WebGLRenderer,
  WireframeGeometry,
} from "three";
import { OrbitControls } from "three/examples/jsm/controls/OrbitControls.js";
import { GLTFLoader } from "three/examples/jsm/loaders/GLTFLoader.js";
import type { Side } from "./api";

export type Look = "textured" | "clay" | "wireframe" | "normals";

const AZIMUTH: Record<Side, number> = { front: 0, left: Math.PI / 2, back: Math.PI, right: -Math.PI / 2 };
const STEP = Math.PI / 24; // of an arrow key

export class Viewer {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new OrthographicCamera(-1, 1, 1, -1, 0.001, 1000);
  private readonly controls: OrbitControls;
  private readonly sun = new DirectionalLight(0xffffff, 1.9);
  private readonly observer: ResizeObserver;
  private model: Group | undefined;
  private plane: Mesh<PlaneGeometry, MeshBasicMaterial> | undefined;
  private grid: GridHelper | undefined;
  private readonly own = new Map<Mesh, Material | Material[]>();
  private readonly wires: LineSegments[] = [];
  private readonly clay = new MeshStandardMaterial({
    color: 0xc9c3b8,
    roughness: 0.9,
    metalness: 0,
    polygonOffset: true,
    polygonOffsetFactor: 1,
    polygonOffsetUnits: 1,
  });
  private readonly normals = new MeshNormalMaterial();
  private box = new Box3();
  private isDue = false;
  private hasGrid = true;
  private mode: Look = "textured";
  private loading = 0;

  constructor(
    readonly canvas: HTMLCanvasElement,
    private readonly onTurn: () => void,
  ) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, powerPreference: "low-power" });
    this.renderer.outputColorSpace = SRGBColorSpace;
    const fill = new DirectionalLight(0xdfe8ff, 0.5);
    fill.position.set(-2, 1, -2);
    this.camera.add(this.sun);
    this.sun.position.set(0.6, 1.2, 2);
    this.scene.add(this.camera, fill, new AmbientLight(0xffffff, 1.5));
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener("change", () => this.draw());
    this.controls.addEventListener("start", () => this.onTurn());
    canvas.addEventListener("keydown", (event) => this.press(event));
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(canvas.parentElement ?? canvas);
  }

  /** Shows the GLB; returns its size in metres, x y z. */
  async show(glb: ArrayBuffer): Promise<[number, number, number] | undefined> {
    const turn = ++this.loading;
    const found = (await new GLTFLoader().parseAsync(glb, "")).scene;
    if (turn !== this.loading) return undefined;
    this.clear();
    this.model = found;
    found.traverse((part) => {
      if (!(part instanceof Mesh)) return;
      const geometry = part.geometry as BufferGeometry;
      if (!geometry.hasAttribute("normal")) {
        part.geometry = geometry.index ? geometry.toNonIndexed() : geometry;
        (part.geometry as BufferGeometry).computeVertexNormals();
      }
      this.own.set(part, part.material as Material | Material[]);
    });
    this.scene.add(found);
    this.box = new Box3().setFromObject(found);
    const size = this.box.getSize(new Vector3());
    this.grid = this.floor(size);
    this.scene.add(this.grid);
    this.look(this.mode);
    this.home();
    return [size.x, size.y, size.z];
  }

  look(mode: Look): void {
    this.mode = mode;
    for (const wire of this.wires.splice(0)) {
      wire.removeFromParent();
      wire.geometry.dispose();
    }
    for (const [part, own] of this.own) {
      part.material = mode === "textured" ? own : mode === "normals" ? this.normals : this.clay;
      if (mode !== "wireframe") continue;
      const wire = new LineSegments(
        new WireframeGeometry(part.geometry as BufferGeometry),
        new LineBasicMaterial({ color: 0x10201d, transparent: true, opacity: 0.55 }),
      );
      part.add(wire);
      this.wires.push(wire);
    }
    this.draw();
  }

  /** Lays a picture over the model, as its side saw it; `bounds` is where the subject is in it, shares of its size. */
  async overlay(side: Side, url: string, bounds: [number, number, number, number], opacity: number): Promise<void> {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    this.uncover();
    const size = this.box.getSize(new Vector3()),
      middle = this.box.getCenter(new Vector3());
    const isAcross = side === "left" || side === "right";
    const [x0, y0, x1, y1] = bounds;
    const ratio = picture.naturalWidth / picture.naturalHeight;
    const perHeight = Math.max(
      (isAcross ? size.z : size.x) / Math.max(1e-3, (x1 - x0) * ratio),
      size.y / Math.max(1e-3, y1 - y0),
    );
    const texture = new Texture(picture);
    texture.colorSpace = SRGBColorSpace;
    texture.needsUpdate = true;
    const material = new MeshBasicMaterial({
      map: texture,
      transparent: true,
      opacity,
      depthTest: false,
      side: DoubleSide,
    });
    this.plane = new Mesh(new PlaneGeometry(perHeight * ratio, perHeight), material);
    this.plane.renderOrder = 10;
    const right = ((x0 + x1) / 2 - 0.5) * perHeight * ratio,
      up = (0.5 - (y0 + y1) / 2) * perHeight;
    this.plane.geometry.translate(-right, -up, 0);
    this.plane.position.copy(middle);
    this.plane.rotation.y = AZIMUTH[side];
    this.scene.add(this.plane);
    this.from(side);
  }

  fade(opacity: number): void {
    if (this.plane) this.plane.material.opacity = opacity;
    this.draw();
  }

  uncover(): void {
    if (!this.plane) return;
    this.plane.material.map?.dispose();
    this.plane.material.dispose();
    this.plane.geometry.dispose();
    this.plane.removeFromParent();
    this.plane = undefined;
    this.draw();
  }

  showGrid(isShown: boolean): void {
    this.hasGrid = isShown;
    if (this.grid) this.grid.visible = isShown;
    this.draw();
  }

  home(): void {
    this.stand(Math.PI / 7, Math.PI / 2 - 0.32);
  }

  from(side: Side): void {
    this.stand(AZIMUTH[side], Math.PI / 2);
  }

  async picture(): Promise<Blob | null> {
    this.renderer.render(this.scene, this.camera);
    return await new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }

  close(): void {
    this.loading += 1;
    this.observer.disconnect();
    this.clear();
    this.controls.dispose();
    this.renderer.dispose();
  }

  private floor(size: Vector3): GridHelper {
    const side = 2 * Math.max(size.x, size.z, size.y);
    const cell = 10 ** Math.floor(Math.log10(side / 4));
    const count = Math.min(60, 2 * Math.ceil(side / cell / 2));
    const grid = new GridHelper(count * cell, count, new Color(0x7d8f8a), new Color(0x7d8f8a));
    grid.material.transparent = true;
    grid.material.opacity = 0.28;
    const middle = this.box.getCenter(new Vector3());
    grid.position.set(middle.x, this.box.min.y, middle.z);
    grid.visible = this.hasGrid;
    return grid;
  }

  private stand(azimuth: number, polar: number): void {
    const middle = this.box.getCenter(new Vector3());
    const far = this.box.getSize(new Vector3()).length() * 3 || 3;
    this.controls.target.copy(middle);
    this.camera.position.setFromSphericalCoords(far, polar, azimuth).add(middle);
    this.camera.near = far / 100;
    this.camera.far = far * 4;
    this.camera.zoom = 1;
    this.controls.update();
    this.fit();
  }

  private fit(): void {
    const { clientWidth: width, clientHeight: height } = this.canvas.parentElement ?? this.canvas;
    if (!width || !height) return;
    this.renderer.setPixelRatio(Math.min(devicePixelRatio, 2));
    this.renderer.setSize(width, height, false);
    const half = (this.box.getSize(new Vector3()).length() || 1) * 0.56 * Math.max(1, height / width);
    this.camera.left = (-half * width) / height;
    this.camera.right = (half * width) / height;
    this.camera.top = half;
    this.camera.bottom = -half;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private press(event: KeyboardEvent): void {
    const turn = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    const zoom = { "+": 1.15, "=": 1.15, "-": 1 / 1.15 }[event.key];
    const side = { "1": "front", "2": "left", "3": "back", "4": "right" }[event.key] as Side | undefined;
    if (event.ctrlKey || event.metaKey || event.altKey || (!turn && !zoom && !side && event.key !== "0")) return;
    event.preventDefault();
    this.onTurn();
    if (side) this.from(side);
    else if (event.key === "0") this.home();
    else if (zoom) {
      this.camera.zoom = Math.min(50, Math.max(0.1, this.camera.zoom * zoom));
      this.camera.updateProjectionMatrix();
      this.draw();
    } else if (turn) {
      const middle = this.controls.target;
      const polar = this.controls.getPolarAngle() + (turn[1] ?? 0);
      const azimuth = this.controls.getAzimuthalAngle() + (turn[0] ?? 0);
      this.camera.position
        .setFromSphericalCoords(
          this.camera.position.distanceTo(middle),
          Math.min(Math.PI - 0.01, Math.max(0.01, polar)),
          azimuth,
        )
        .add(middle);
      this.controls.update();
      this.draw();
    }
  }

  private draw(): void {
    if (this.isDue) return;
    this.isDue = true;
    requestAnimationFrame(() => {
      this.isDue = false;
      this.renderer.render(this.scene, this.camera);
    });
  }

  private clear(): void {
    this.uncover();
    for (const [part, own] of this.own) {
      (part.geometry as BufferGeometry).dispose();
      for (const material of [own].flat() as MeshStandardMaterial[]) {
        material.map?.dispose();
        material.dispose();
      }
    }
    this.own.clear();
    this.wires.length = 0;
    this.model?.removeFromParent();
    this.grid?.removeFromParent();
    this.grid?.dispose();
  }
}
