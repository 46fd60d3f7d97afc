// SPDX-FileCopyrightText: The fourview authors
// SPDX-License-Identifier: Apache-2.0
// The model on the screen: three.js, loaded with the first model. It draws only after a change.
//
// The camera is orthographic, as those of the pictures are (CONVENTIONS.md). Seen from its side a picture covers the
// model: its subject is as large as the model's box from there.

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
  MathUtils,
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
import type { Side } from "./sides";
import { SIDE_NAMES, SIDES } from "./sides";

export type Look = "textured" | "clay" | "wireframe" | "normals";
/** Of the model in metres: x, y, z. */
export type Size = [number, number, number];
/** Left, top, right, bottom, as shares of a picture's size. */
export type Bounds = [number, number, number, number];

const STEP = Math.PI / 24; // one press of an arrow key turns by this
const ZOOM = 1.15; // one press of plus or minus
const ZOOM_MIN = 0.1;
const ZOOM_MAX = 50;
const POLE = 0.01; // the camera stays this far from straight above and below
const START = { azimuth: Math.PI / 7, polar: Math.PI / 2 - 0.32 }; // the front, seen a little from its left and above
const MARGIN = 1.12; // the view's height over the diagonal of the model

export class Viewer {
  private readonly renderer: WebGLRenderer;
  private readonly scene = new Scene();
  private readonly camera = new OrthographicCamera(-1, 1, 1, -1, 0.001, 1000);
  private readonly controls: OrbitControls;
  private readonly observer: ResizeObserver;
  private readonly clay = new MeshStandardMaterial({
    color: 0xc9c3b8,
    roughness: 0.9,
    metalness: 0,
    polygonOffset: true, // the wires lie in front of it
    polygonOffsetFactor: 1,
    polygonOffsetUnits: 1,
  });
  private readonly normals = new MeshNormalMaterial();
  private readonly textured = new Map<Mesh, Material | Material[]>(); // the meshes of the model, as the GLB paints them
  private readonly wires: LineSegments[] = [];
  private model: Group | undefined;
  private box = new Box3(); // of the model
  private plane: Mesh<PlaneGeometry, MeshBasicMaterial> | undefined; // the picture over the model
  private grid: GridHelper | undefined;
  private hasGrid = true;
  private look: Look = "textured";
  private loads = 0;
  private isDrawDue = false;

  constructor(private readonly canvas: HTMLCanvasElement) {
    this.renderer = new WebGLRenderer({ canvas, antialias: true, alpha: true, powerPreference: "low-power" });
    this.renderer.outputColorSpace = SRGBColorSpace;
    const sun = new DirectionalLight(0xffffff, 1.9);
    sun.position.set(0.6, 1.2, 2);
    this.camera.add(sun);
    const fill = new DirectionalLight(0xdfe8ff, 0.5);
    fill.position.set(-2, 1, -2);
    this.scene.add(this.camera, fill, new AmbientLight(0xffffff, 1.5));
    this.controls = new OrbitControls(this.camera, canvas);
    this.controls.addEventListener("change", () => this.draw());
    canvas.addEventListener("keydown", (event) => this.press(event));
    this.observer = new ResizeObserver(() => this.fit());
    this.observer.observe(canvas.parentElement ?? canvas);
  }

  /** Show a GLB; its size, or undefined where another was asked for meanwhile. */
  async show(glb: ArrayBuffer): Promise<Size | undefined> {
    this.loads += 1;
    const load = this.loads;
    const found = (await new GLTFLoader().parseAsync(glb, "")).scene;
    if (load !== this.loads) return undefined;
    this.clear();
    this.model = found;
    found.traverse((node) => {
      if (!(node instanceof Mesh)) return;
      const geometry = node.geometry as BufferGeometry;
      if (!geometry.hasAttribute("normal")) {
        node.geometry = geometry.index ? geometry.toNonIndexed() : geometry;
        (node.geometry as BufferGeometry).computeVertexNormals();
      }
      this.textured.set(node, node.material as Material | Material[]);
    });
    this.scene.add(found);
    this.box = new Box3().setFromObject(found);
    const size = this.box.getSize(new Vector3());
    this.grid = this.gridBelow(size);
    this.scene.add(this.grid);
    this.setLook(this.look);
    this.reset();
    return [size.x, size.y, size.z];
  }

  setLook(look: Look): void {
    this.look = look;
    for (const wire of this.wires.splice(0)) {
      wire.removeFromParent();
      wire.geometry.dispose();
    }
    for (const [mesh, material] of this.textured) {
      mesh.material = look === "textured" ? material : look === "normals" ? this.normals : this.clay;
      if (look !== "wireframe") continue;
      const lines = new LineBasicMaterial({ color: 0x10201d, transparent: true, opacity: 0.55 });
      const wire = new LineSegments(new WireframeGeometry(mesh.geometry as BufferGeometry), lines);
      mesh.add(wire);
      this.wires.push(wire);
    }
    this.draw();
  }

  /** Look from a side, its picture over the model; `bounds` is where the subject is in the picture. */
  async overlay(side: Side, url: string, bounds: Bounds, opacity: number): Promise<void> {
    const picture = new Image();
    picture.src = url;
    await picture.decode();
    this.removeOverlay();
    const { across, azimuthDeg } = SIDES[side];
    const size = this.box.getSize(new Vector3());
    const [x0, y0, x1, y1] = bounds;
    const ratio = picture.naturalWidth / picture.naturalHeight;
    const byWidth = size[across] / Math.max(1e-3, (x1 - x0) * ratio);
    const byHeight = size.y / Math.max(1e-3, y1 - y0);
    const height = Math.max(byWidth, byHeight);
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
    this.plane = new Mesh(new PlaneGeometry(height * ratio, height), material);
    this.plane.renderOrder = 10;
    const right = ((x0 + x1) / 2 - 0.5) * height * ratio;
    const up = (0.5 - (y0 + y1) / 2) * height;
    this.plane.geometry.translate(-right, -up, 0);
    this.plane.position.copy(this.box.getCenter(new Vector3()));
    this.plane.rotation.y = MathUtils.degToRad(azimuthDeg);
    this.scene.add(this.plane);
    this.lookFrom(side);
  }

  setOverlayOpacity(opacity: number): void {
    if (this.plane) this.plane.material.opacity = opacity;
    this.draw();
  }

  removeOverlay(): void {
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

  reset(): void {
    this.placeCamera(START.azimuth, START.polar);
  }

  lookFrom(side: Side): void {
    this.placeCamera(MathUtils.degToRad(SIDES[side].azimuthDeg), Math.PI / 2);
  }

  async screenshot(): Promise<Blob | null> {
    this.renderer.render(this.scene, this.camera);
    return await new Promise((done) => this.canvas.toBlob(done, "image/png"));
  }

  close(): void {
    this.loads += 1;
    this.observer.disconnect();
    this.clear();
    this.controls.dispose();
    this.renderer.dispose();
  }

  /** A grid under the model, its cells a power of ten of a metre. */
  private gridBelow(size: Vector3): GridHelper {
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

  private placeCamera(azimuth: number, polar: number): void {
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
    const diagonal = this.box.getSize(new Vector3()).length() || 1;
    const half = (diagonal / 2) * MARGIN * Math.max(1, height / width);
    this.camera.left = (-half * width) / height;
    this.camera.right = (half * width) / height;
    this.camera.top = half;
    this.camera.bottom = -half;
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private press(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const turn = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[event.key];
    const zoom = { "+": ZOOM, "=": ZOOM, "-": 1 / ZOOM }[event.key];
    const side = SIDE_NAMES[Number(event.key) - 1];
    if (side) this.lookFrom(side);
    else if (event.key === "0") this.reset();
    else if (zoom) this.zoomBy(zoom);
    else if (turn) this.turnBy(turn[0] ?? 0, turn[1] ?? 0);
    else return;
    event.preventDefault();
  }

  private zoomBy(factor: number): void {
    this.camera.zoom = MathUtils.clamp(this.camera.zoom * factor, ZOOM_MIN, ZOOM_MAX);
    this.camera.updateProjectionMatrix();
    this.draw();
  }

  private turnBy(azimuth: number, polar: number): void {
    const middle = this.controls.target;
    const far = this.camera.position.distanceTo(middle);
    const nextPolar = MathUtils.clamp(this.controls.getPolarAngle() + polar, POLE, Math.PI - POLE);
    const nextAzimuth = this.controls.getAzimuthalAngle() + azimuth;
    this.camera.position.setFromSphericalCoords(far, nextPolar, nextAzimuth).add(middle);
    this.controls.update();
    this.draw();
  }

  private draw(): void {
    if (this.isDrawDue) return;
    this.isDrawDue = true;
    requestAnimationFrame(() => {
      this.isDrawDue = false;
      this.renderer.render(this.scene, this.camera);
    });
  }

  private clear(): void {
    this.removeOverlay();
    for (const [mesh, own] of this.textured) {
      (mesh.geometry as BufferGeometry).dispose();
      for (const material of [own].flat() as MeshStandardMaterial[]) {
        material.map?.dispose();
        material.dispose();
      }
    }
    this.textured.clear();
    this.wires.length = 0;
    this.model?.removeFromParent();
    this.grid?.removeFromParent();
    this.grid?.dispose();
  }
}
